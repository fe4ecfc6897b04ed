/* SPDX-License-Identifier: MIT
 *
 * udp-send HOST PORT: sends 50,000 datagrams and makes no other system call meanwhile. A library OS
 * that hears only when it is asked something would never learn the host's MAC address.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	to.sin_port = htons((unsigned short)atoi(argv[2]));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return 1;
	for (int i = 0; i < 50000; i++)
		(void)send(fd, &i, sizeof(i), 0); /* UDP: what is lost is lost */
	puts("sent");
	return 0;
}
