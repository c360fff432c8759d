/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One.
 * Two.
 * Three.
 */
/* FIXME later */
/* TODO later */
/* TODO #12: reason */
