/* SPDX-License-Identifier: MIT */
/*
 * Forced into core/lib_*.c on the host: the C library's names stay the C
 * library's, the hypervisor's own versions are there to be tested as zelo_*.
 */
#define memcpy zelo_memcpy
#define memmove zelo_memmove
#define memset zelo_memset
#define memcmp zelo_memcmp
#define memchr zelo_memchr
#define strlen zelo_strlen
#define strnlen zelo_strnlen
#define strcmp zelo_strcmp
#define strncmp zelo_strncmp
#define strchr zelo_strchr
#define strstr zelo_strstr
#define snprintf zelo_snprintf
#define vsnprintf zelo_vsnprintf
