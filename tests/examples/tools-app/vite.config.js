// SPDX-License-Identifier: Apache-2.0
// Everything that Vite tells the runner about, away from its defaults.
import { defineConfig } from 'vite'

export default defineConfig({
  envPrefix: ['APP_', 'SITE_'],
  publicDir: 'assets',
  build: { outDir: 'out/site' },
})
