/* SPDX-License-Identifier: Apache-2.0
 *
 * The 32-bit twin of the preload library: a loader that finds a library of the
 * wrong word size complains on stderr; one that finds this is content. 32-bit
 * programs are noticed by the filter. */

extern const int vt_preload_is_empty;
