// SPDX-License-Identifier: Apache-2.0
#include "proto/store/cluster.h"

#include "proto/err.h"
#include "proto/store/redis_codec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ID "$40\r\n07c37dfeb235213a872192d90877d0cd55635b91\r\n"

/* What a Redis 7.0 said of two masters, the first with a replica. */
static const char recorded[] =
	"*3\r\n"
	"*4\r\n:0\r\n:5460\r\n"
	"*4\r\n$9\r\n127.0.0.1\r\n:7000\r\n" ID "*0\r\n"
	"*4\r\n$9\r\n127.0.0.1\r\n:7003\r\n" ID "*0\r\n"
	"*3\r\n:5461\r\n:10922\r\n"
	"*4\r\n$9\r\n127.0.0.1\r\n:7001\r\n" ID "*2\r\n$8\r\nhostname\r\n$1\r\nb\r\n"
	"*3\r\n:16000\r\n:16383\r\n"
	"*4\r\n$9\r\n127.0.0.1\r\n:7000\r\n" ID "*0\r\n";

static struct cluster_map map;

static struct addr at(const char *host, uint16_t port)
{
	struct addr out = { .scheme = ADDR_TCP, .port = port };

	(void)snprintf(out.host, sizeof(out.host), "%s", host);
	return out;
}

/* Parses a reply and has the map take it. */
static int take(const char *resp)
{
	const struct addr asked = at("asked", 1);
	struct redis_codec codec = { 0 };
	redisReply *reply = NULL;
	int status;

	assert_int_equal(redis_codec_start(&codec), 0);
	assert_int_equal(redis_codec_feed(&codec, slice_text(resp)), 0);
	assert_int_equal(redis_codec_next(&codec, &reply), 1);
	status = cluster_map_take(&map, reply, &asked);
	freeReplyObject(reply);
	redis_codec_release(&codec);
	return status;
}

static uint16_t port_of(uint16_t slot)
{
	uint16_t node = map.owner[slot];

	return node == CLUSTER_NO_NODE ? 0 : map.nodes[node].address.port;
}

static void a_recorded_reply_becomes_a_map(void **state)
{
	uint16_t node;

	(void)state;
	cluster_map_init(&map);
	assert_int_equal(map.covered, 0);
	assert_int_equal(port_of(0), 0);
	assert_int_equal(take(recorded), 0);
	assert_int_equal(map.covered, 10923 + 384);
	assert_int_equal(port_of(0), 7000);
	assert_int_equal(port_of(5460), 7000);
	assert_int_equal(port_of(5461), 7001);
	assert_int_equal(port_of(10922), 7001);
	assert_int_equal(port_of(10923), 0);
	assert_int_equal(port_of(16383), 7000);
	node = map.owner[0];
	assert_int_equal(map.owner[16000], node);
	assert_int_equal(map.nodes[node].slots, 5461 + 384);
	assert_string_equal(map.nodes[node].address.host, "127.0.0.1");
}

static void a_node_keeps_its_number_while_slots_move(void **state)
{
	const struct addr replica = at("127.0.0.1", 7003);
	uint16_t first, second, third;

	(void)state;
	cluster_map_init(&map);
	assert_int_equal(take(recorded), 0);
	first = map.owner[0];
	second = map.owner[5461];
	third = cluster_map_node(&map, &replica);
	assert_int_equal(cluster_map_node(&map, &replica), third);
	assert_true(third != first && third != second);
	cluster_map_move(&map, 7, third);
	cluster_map_move(&map, 10923, third);
	assert_int_equal(port_of(7), 7003);
	assert_int_equal(map.nodes[third].slots, 2);
	assert_int_equal(map.nodes[first].slots, 5460 + 384);
	assert_int_equal(map.covered, 10923 + 384 + 1);
	assert_int_equal(take("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:7001\r\n"), 0);
	assert_int_equal(map.owner[0], second);
	assert_int_equal(map.covered, RKEY_SLOTS);
	assert_int_equal(map.nodes[first].slots, 0);
	cluster_map_remove(&map, first);
	cluster_map_remove(&map, third);
	assert_int_equal(map.nodes[second].slots, RKEY_SLOTS);
}

static void a_node_without_an_address_is_the_one_asked(void **state)
{
	static const char *const hosts[] = { "$0\r\n\r\n", "$-1\r\n", "$1\r\n?\r\n" };
	char resp[256];
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		cluster_map_init(&map);
		(void)snprintf(resp, sizeof(resp), "*1\r\n*3\r\n:5\r\n:5\r\n*2\r\n%s:7005\r\n",
			       hosts[i]);
		assert_int_equal(take(resp), 0);
		assert_int_equal(port_of(5), 7005);
		assert_string_equal(map.nodes[map.owner[5]].address.host, "asked");
	}
}

static void what_is_no_map_changes_nothing(void **state)
{
	static const char *const bad[] = {
		"+OK\r\n",
		"-ERR This instance has cluster support disabled\r\n",
		"*1\r\n:1\r\n",
		"*1\r\n*2\r\n:0\r\n:1\r\n",
		"*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
		"*1\r\n*3\r\n:-1\r\n:5\r\n*2\r\n$1\r\na\r\n:1\r\n",
		"*1\r\n*3\r\n:9\r\n:5\r\n*2\r\n$1\r\na\r\n:1\r\n",
		"*1\r\n*3\r\n$1\r\n0\r\n:5\r\n*2\r\n$1\r\na\r\n:1\r\n",
		"*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n$1\r\na\r\n:0\r\n",
		"*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n$1\r\na\r\n:65536\r\n",
		"*1\r\n*3\r\n:0\r\n:5\r\n*1\r\n$1\r\na\r\n",
		"*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n:7\r\n:7\r\n",
		"*2\r\n*3\r\n:0\r\n:5\r\n*2\r\n$1\r\na\r\n:1\r\n*3\r\n:6\r\n:7\r\n+a\r\n",
	};
	size_t i;

	(void)state;
	cluster_map_init(&map);
	assert_int_equal(take(recorded), 0);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(take(bad[i]), ERR_MALFORMED);
	assert_int_equal(take("*0\r\n"), -ENOENT);
	assert_int_equal(map.covered, 10923 + 384);
	assert_int_equal(port_of(0), 7000);
}

static void there_is_a_limit_to_nodes(void **state)
{
	uint16_t i, node = 0;

	(void)state;
	cluster_map_init(&map);
	for (i = 0; i < CLUSTER_NODES_MAX; i++) {
		struct addr address = at("h", (uint16_t)(i + 1));
		node = cluster_map_node(&map, &address);
		assert_int_equal(node, i);
	}
	assert_int_equal(take("*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n$1\r\nx\r\n:1\r\n"), 0);
	assert_int_equal(map.covered, 0);
	cluster_map_remove(&map, node);
	assert_int_equal(take("*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n$1\r\nx\r\n:1\r\n"), 0);
	assert_int_equal(map.owner[5], node);
}

static void redirections_are_read(void **state)
{
	const struct addr from = at("10.0.0.9", 6379);
	struct cluster_redirect r;

	(void)state;
	r = cluster_read_redirect(slice_text("MOVED 3999 127.0.0.1:6381"), &from);
	assert_int_equal(r.word, CLUSTER_MOVED);
	assert_int_equal(r.slot, 3999);
	assert_string_equal(r.to.host, "127.0.0.1");
	assert_int_equal(r.to.port, 6381);
	assert_int_equal(r.to.scheme, ADDR_TCP);
	r = cluster_read_redirect(slice_text("ASK 16383 ::1:7000"), &from);
	assert_int_equal(r.word, CLUSTER_ASK);
	assert_int_equal(r.slot, 16383);
	assert_string_equal(r.to.host, "::1");
	r = cluster_read_redirect(slice_text("MOVED 0 :7001"), &from);
	assert_int_equal(r.word, CLUSTER_MOVED);
	assert_string_equal(r.to.host, "10.0.0.9");
	assert_int_equal(r.to.port, 7001);
	r = cluster_read_redirect(slice_text("MOVED 0 ?:7001"), &from);
	assert_string_equal(r.to.host, "10.0.0.9");
}

static void other_errors_redirect_nobody(void **state)
{
	static const char *const errors[] = {
		"", "MOVED", "MOVED ", "MOVED 1", "MOVED 1 ", "MOVED 16384 h:1", "MOVED -1 h:1",
		"MOVED 1 h", "MOVED 1 h:", "MOVED 1 h:0", "MOVED 1 h:65536", "MOVED x h:1",
		"MOVEDX 1 h:1", "ASKING 1 h:1", "TRYAGAIN Multiple keys request during rehashing of slot",
		"CLUSTERDOWN The cluster is down", "ERR MOVED 1 h:1", "moved 1 h:1",
	};
	const struct addr from = at("f", 1);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		assert_int_equal(cluster_read_redirect(slice_text(errors[i]), &from).word,
				 CLUSTER_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recorded_reply_becomes_a_map),
		cmocka_unit_test(a_node_keeps_its_number_while_slots_move),
		cmocka_unit_test(a_node_without_an_address_is_the_one_asked),
		cmocka_unit_test(what_is_no_map_changes_nothing),
		cmocka_unit_test(there_is_a_limit_to_nodes),
		cmocka_unit_test(redirections_are_read),
		cmocka_unit_test(other_errors_redirect_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
