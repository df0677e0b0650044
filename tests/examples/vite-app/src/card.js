// SPDX-License-Identifier: Apache-2.0
import clsx from 'clsx'

export function card(text) {
  const element = document.createElement('p')
  element.className = clsx('card', import.meta.env.PROD && 'card-production')
  element.textContent = text
  return element
}
