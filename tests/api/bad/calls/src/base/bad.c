/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One.
 * Two.
 * Three.
 */
__attribute__((constructor)) void vc__bad_start(void);
/* exit() in a comment and "exit(1)" in a string are no calls. */
{
	exit(1);
	printf("x");
	fprintf(stderr, "x");
	sigaction(1, NULL, NULL);
	getenv("HOME");
	chdir("/");
	assert(p);
	usleep(10);
	volatile int flag;
	puts_nothing("exit(1)");
	vm->exit(vm);
}
