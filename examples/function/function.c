/* SPDX-License-Identifier: MIT
 *
 * function.c: a function behind HTTP: POST a JSON object with numbers, get their sum back.
 * Everything that a request leaves behind (the counter below shows it) is gone before the next.
 * Under mayfly-monitor --serve each request has a VM to itself; as a process it is a CGI program.
 */
#include <mayfly.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define REPLY_MAX 4096

static unsigned served; /* in this life: 1 in every answer, or something leaked */

struct sum {
	double total;
	unsigned numbers;
};

static void add(void *arg, const char *key, double value)
{
	struct sum *s = arg;

	(void)key;
	s->total += value;
	s->numbers++;
}

int main(void)
{
	struct mayfly_request req;
	struct sum sum = {0};
	char reply[REPLY_MAX], error[128];

	if (mayfly_ready(&req, 0)) {
		perror("function: run me with mayfly-monitor --serve PORT, or as a CGI program");
		return 1;
	}
	served++;
	if (strcmp(req.method, "POST") != 0 && strcmp(req.method, "PUT") != 0) {
		int n = snprintf(reply, sizeof(reply),
				 "{\"error\": \"POST a JSON object of numbers\", \"served\": %u}\n",
				 served);

		mayfly_reply(405, "application/json", reply, (size_t)n);
	}
	if (json_numbers(req.body, req.body_len, add, &sum, error, sizeof(error))) {
		int n = snprintf(reply, sizeof(reply), "{\"error\": \"%s\", \"served\": %u}\n",
				 error, served);

		mayfly_reply(400, "application/json", reply, (size_t)n);
	}
	int n = snprintf(reply, sizeof(reply),
			 "{\"sum\": %.17g, \"numbers\": %u, \"served\": %u}\n", sum.total,
			 sum.numbers, served);

	mayfly_reply(200, "application/json", reply, (size_t)n);
}
