// SPDX-License-Identifier: Apache-2.0
import { sentence } from './sentence.js'

const words = import.meta.glob('./words/*.js', { eager: true, import: 'word' })
document.querySelector('#app').textContent =
  `${import.meta.env.APP_GREETING ?? 'Hello'} ${sentence(Object.values(words))}`
