/* SPDX-License-Identifier: MIT
 *
 * bench-freeze: freezes itself and ends: what is left of a restored VM is the restore.
 */
#include <mayfly.h>

int main(void)
{
	mayfly_freeze();
	return 0;
}
