/* SPDX-License-Identifier: MIT
 *
 * test_api.c: what calls do to a VM that is a stub, and the server with clients that are slow,
 * deaf or gone. (tests/api has the real monitor, without a VM; tests/guest/api with one.)
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "monitor/api/api.h"
#include "monitor/api/events.h"
#include "monitor/api/server.h"
#include "monitor/vm.h"
#include "tests/unit/api_stub.h"

static struct api_stub stub;
static struct api api;
static struct api_call last;

uint64_t vm_now(void)
{
	return 1;
}

uint64_t report_mark_ns(const struct vm *vm, enum uk_mark mark)
{
	(void)vm;
	(void)mark;
	return 0;
}

/* One call as a client makes it; its status, everything else is in `last`. */
static int call(const char *method, const char *path, const char *body)
{
	struct http_parser *p = http_parser_create(API_BODY_MAX);
	char text[4096];
	size_t used;
	int n = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s",
			 method, path, strlen(body), body);

	api_call_fini(&last);
	last = (struct api_call){0};
	cr_assert_eq(http_parser_feed(p, text, (size_t)n, &used), HTTP_READY);
	api_handle(&api, http_parser_request(p), &last);
	http_parser_destroy(p);
	return last.status;
}

static void setup(void)
{
	stub = (struct api_stub){0};
	cr_assert_eq(api_init(&api, &api_stub_vmm, &stub, NULL, NULL), 0);
}

static void teardown(void)
{
	api_call_fini(&last);
	api_fini(&api);
	api_stub_fini(&stub);
}

TestSuite(api, .init = setup, .fini = teardown);

#define BOOT "{\"kernel_image_path\": \"/dev/null\", \"boot_args\": \"-- a\"}"

static void started(void)
{
	cr_assert_eq(call("PUT", "/boot-source", BOOT), 204);
	cr_assert_eq(call("PUT", "/drives/d",
			  "{\"drive_id\":\"d\",\"is_root_device\":false,\"path_on_host\":\"/dev/"
			  "null\"}"),
		     204);
	cr_assert_eq(call("PUT", "/network-interfaces/n",
			  "{\"iface_id\":\"n\",\"host_dev_name\":\"t\"}"),
		     204);
	cr_assert_eq(call("PUT", "/actions", "{\"action_type\":\"InstanceStart\"}"), 204);
}

Test(api, calls_in_firecrackers_order_start_a_vm)
{
	cr_assert_eq(call("PUT", "/machine-config", "{\"vcpu_count\":1,\"mem_size_mib\":24}"), 204);
	started();
	cr_expect_str_eq(stub.said, "start /dev/null mem=25165824 blk=1 net=1");
	cr_expect_str_eq(stub.cfg->cmdline, "-- a");
	cr_expect_str_eq(stub.cfg->net[0].tap, "t");
	cr_expect_eq(call("PUT", "/boot-source", BOOT), 400);
	cr_expect_str_eq(last.fault.code, "wrong_phase");
	cr_expect_eq(call("PUT", "/actions", "{\"action_type\":\"InstanceStart\"}"), 400);
	cr_expect_eq(call("PUT", "/actions", "{\"action_type\":\"SendCtrlAltDel\"}"), 204);
	cr_expect_str_eq(stub.said, "stop");
}

Test(api, the_root_device_is_the_first_disk)
{
	cr_assert_eq(call("PUT", "/boot-source", BOOT), 204);
	cr_assert_eq(call("PUT", "/drives/a",
			  "{\"drive_id\":\"a\",\"is_root_device\":false,\"path_on_host\":\"/dev/"
			  "null\"}"),
		     204);
	cr_assert_eq(call("PUT", "/drives/b",
			  "{\"drive_id\":\"b\",\"is_root_device\":true,\"path_on_host\":\"/dev/"
			  "null\"}"),
		     204);
	cr_assert_eq(call("PUT", "/actions", "{\"action_type\":\"InstanceStart\"}"), 204);
	cr_expect_str_eq(stub.cfg->blk[0].id, "b");
	cr_expect_str_eq(stub.cfg->blk[1].id, "a");
}

Test(api, one_call_creates_and_starts_or_changes_nothing)
{
	static const char whole[] =
		"{\"boot-source\":" BOOT ",\"drives\":[{\"drive_id\":\"d\",\"is_root_device\":true,"
		"\"path_on_host\":\"/dev/null\"}],\"paused\":true}";

	cr_assert_eq(call("PUT", "/machine-config", "{\"vcpu_count\":1,\"mem_size_mib\":24}"), 204);
	stub.fail = -EIO;
	cr_expect_eq(call("PUT", "/vm", whole), 400);
	cr_expect_str_eq(last.fault.text, "Start microvm error: the stub was told to fail.");
	cr_expect_eq(stub.phase, VM_NOT_STARTED);
	cr_expect_eq(call("GET", "/vm/config", ""), 200);
	cr_expect(strstr(last.text, "\"mem_size_mib\":24"), "%s", last.text);
	cr_expect_not(strstr(last.text, "boot-source"), "%s", last.text);
	cr_expect_eq(call("PUT", "/vm", whole), 204);
	cr_expect_eq(stub.phase, VM_PAUSED);
	cr_expect_eq(call("GET", "/vm/config", ""), 200);
	cr_expect(strstr(last.text, "\"drive_id\":\"d\""), "%s", last.text);
}

Test(api, a_running_vm_is_paused_patched_saved_rewound_and_forked)
{
	started();
	cr_expect_eq(call("PUT", "/snapshot/create",
			  "{\"snapshot_path\":\"s\",\"mem_file_path\":\"m\"}"),
		     400);
	cr_expect_str_eq(last.fault.code, "wrong_phase");
	cr_expect_eq(call("PATCH", "/vm", "{\"state\":\"Paused\"}"), 204);
	cr_expect_eq(stub.phase, VM_PAUSED);
	cr_expect_eq(call("PUT", "/snapshot/create",
			  "{\"snapshot_path\":\"s\",\"mem_file_path\":\"m\","
			  "\"snapshot_type\":\"Diff\"}"),
		     204);
	cr_expect_str_eq(stub.said, "snapshot s m 1");
	cr_expect_eq(call("PATCH", "/vm", "{\"state\":\"Resumed\"}"), 204);
	cr_expect_eq(call("PATCH", "/drives/d",
			  "{\"drive_id\":\"d\",\"path_on_host\":\"/x\",\"rate_limiter\":{\"ops\":{"
			  "\"size\":5,\"refill_time\":7}}}"),
		     204);
	cr_expect_str_eq(stub.said, "drive d /x 1:5/7");
	cr_expect_eq(call("PATCH", "/drives/e", "{\"drive_id\":\"e\"}"), 404);
	cr_expect_str_eq(last.fault.code, "no_such_device");
	cr_expect_eq(call("PATCH", "/network-interfaces/n",
			  "{\"iface_id\":\"n\",\"tx_rate_limiter\":{\"bandwidth\":{\"size\":5,"
			  "\"refill_time\":7}}}"),
		     204);
	cr_expect_str_eq(stub.said, "net n 0 1");
	cr_expect_eq(call("PUT", "/snapshot/rewind", "{\"action\":\"Mark\"}"), 204);
	cr_expect_str_eq(stub.said, "rewind 1");
	cr_expect_eq(call("PUT", "/vm/fork", "{\"copies\":[{\"id\":\"a\"},{\"id\":\"b\"}]}"), 200);
	cr_expect_str_eq(stub.said, "fork 2 a");
	cr_expect_str_eq(last.text, "{\"pids\":[100,101]}");
	cr_expect_eq(call("GET", "/metrics", ""), 200);
	cr_expect_str_eq(last.text, "stub 1\n");
}

Test(api, a_snapshot_is_loaded_into_a_vm_that_is_not_configured)
{
	static const char load[] =
		"{\"snapshot_path\":\"s\",\"mem_backend\":{\"backend_type\":\"File\","
		"\"backend_path\":\"m\"},\"track_dirty_pages\":true}";

	cr_assert_eq(call("PUT", "/machine-config", "{\"vcpu_count\":1,\"mem_size_mib\":24}"), 204);
	cr_expect_eq(call("PUT", "/snapshot/load", load), 400);
	cr_expect_str_eq(last.fault.code, "wrong_phase");
	teardown();
	setup();
	cr_expect_eq(call("PUT", "/snapshot/load", load), 204);
	cr_expect_str_eq(stub.said, "start snapshot mem=16777216 blk=0 net=0");
	cr_expect_eq(stub.phase, VM_PAUSED, "resume_vm was not said");
}

Test(api, nothing_is_done_for_a_vm_that_has_ended)
{
	started();
	stub.phase = VM_ENDED;
	cr_expect_eq(call("PATCH", "/vm", "{\"state\":\"Paused\"}"), 400);
	cr_expect_str_eq(last.fault.code, "ended");
	cr_expect(strstr(last.text, "\"phase\":\"Ended\""));
	stub.phase = VM_RUNNING;
	stub.fail = -ESHUTDOWN; /* it ended on the way */
	cr_expect_eq(call("PATCH", "/vm", "{\"state\":\"Paused\"}"), 400);
	cr_expect_str_eq(last.fault.code, "ended");
}

/* --- the server --- */

static char dir[] = "/tmp/test_api.XXXXXX";
static char path[64];
static struct server *server;
static struct events *events;

static void serve(unsigned timeout_ms)
{
	char err[200];

	stub = (struct api_stub){0};
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
	const struct server_config cfg = {
		.path = path, .vmm = &api_stub_vmm, .ctx = &stub, .timeout_ms = timeout_ms};
	cr_assert_eq(server_start(&server, &cfg, &events, err, sizeof err), 0, "%s", err);
}

static int client(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(sun.sun_path, path, strlen(path) + 1);
	cr_assert_eq(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	return fd;
}

/* Everything until the other side closes. */
static const char *read_all(int fd)
{
	static char text[1 << 20];
	size_t n = 0;
	ssize_t got;

	while (n < sizeof text - 1 && (got = read(fd, text + n, sizeof text - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	return text;
}

static void done(void)
{
	server_stop(server, false);
	cr_expect_neq(access(path, F_OK), 0, "the socket is gone");
	rmdir(dir);
	api_stub_fini(&stub);
}

Test(server, a_request_that_does_not_come_to_its_end_is_answered_and_closed, .timeout = 60)
{
	serve(50);
	int slow = client(), idle = client();
	cr_assert_eq(send(slow, "PUT /vm HT", 10, 0), 10);
	const char *text = read_all(slow);
	cr_expect(strstr(text, "HTTP/1.1 408 "), "%s", text);
	cr_expect(strstr(text, "\"code\":\"timeout\""), "%s", text);
	/* Who has asked for nothing is not late. */
	cr_assert_eq(send(idle, "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
	cr_expect(strstr(read_all(idle), "HTTP/1.1 200 "));
	close(slow);
	close(idle);
	done();
}

Test(server, a_client_that_does_not_read_is_not_read_and_then_closed, .timeout = 60)
{
	serve(50);
	int deaf = client();
	ssize_t n;

	signal(SIGPIPE, SIG_IGN);
	/* It takes what sockets and buffers hold, then it closes. */
	do
		n = send(deaf, "GET /version HTTP/1.1\r\n\r\n", 25, 0);
	while (n > 0);
	cr_expect(errno == EPIPE || errno == ECONNRESET, "%s", strerror(errno));
	close(deaf);
	int fd = client();
	cr_assert_eq(send(fd, "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
	cr_expect(strstr(read_all(fd), "HTTP/1.1 200 "));
	close(fd);
	done();
}

Test(server, who_listens_hears_the_end, .timeout = 60)
{
	static const uint8_t out[] = "one\ntwo\xff\"\n";
	char head[4096];

	serve(0);
	int fd = client();
	cr_assert_eq(send(fd, "GET /events HTTP/1.1\r\n\r\n", 24, 0), 24);
	cr_assert_gt(recv(fd, head, sizeof head - 1, MSG_PEEK), 0);
	for (int i = 0; i < 200; i++)
		events_add(events, i % 2 ? "paused" : "resumed", 0);
	events_console(events, out, sizeof out - 1);
	events_add_text(events, "device_error", "blk0: \"quoted\"");
	events_exit(events, 7, "exited");
	server_stop(server, false);
	const char *text = read_all(fd);
	cr_expect(strstr(text, "\"event\":\"created\""), "it was there from the beginning");
	const char *end = strstr(text, "\"event\":\"exit\"");
	cr_assert(end, "%.300s", text);
	cr_expect(strstr(end, "\"status\":7,\"reason\":\"exited\",\"console\":\"one\\u000atwo?"
			      "\\u0022\\u000a\"}\n\n"),
		  "%s", end);
	cr_expect(strstr(text, "\\u0022quoted\\u0022"));
	close(fd);
	rmdir(dir);
}
