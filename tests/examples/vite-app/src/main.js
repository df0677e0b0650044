// SPDX-License-Identifier: Apache-2.0
import './style.css'
import { card } from './card.js'

const { MODE, VITE_GREETING } = import.meta.env
const text = VITE_GREETING ?? 'Hello'

document.querySelector('#app').append(card(`${text} from ${MODE}`))
