// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest'
import { sentence } from '../src/sentence.js'

test('words make a sentence', () => {
  expect(sentence(['a', 'b'])).toBe('a b')
})
