// SPDX-License-Identifier: Apache-2.0
#include "agent/receive.h"

#include "agent/drops.h"
#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/net/addr.h"
#include "proto/net/socket.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define RECEIVE_BURST 64
/* A socket that never runs dry must not starve the others, nor keep the agent from ending. */
#define RECEIVE_ROUNDS       16
#define RECEIVE_ROUNDS_LAST  4096
#define RECEIVE_STACK_BYTES  (256 * 1024)
#define RECEIVE_SHOWN_BYTES  120
#define RECEIVE_BUFFER_BYTES ((size_t)RECEIVE_BURST * LIMIT_DATAGRAM_BYTES)

struct receiver {
	struct intake *intake;
	struct ledger *ledger;
	tally_count *count_taken; /* or NULL */
	struct line_parser parser;
	_Atomic int64_t floor_second;
	int64_t max_age_s;

	int sockets[RECEIVE_SOCKETS];
	size_t socket_count;
	struct drops drops;
	int stop;
	bool running;
	pthread_t thread;

	uint8_t *buffer; /* RECEIVE_BURST datagrams; only pages that were used are resident */
	struct mmsghdr messages[RECEIVE_BURST];
	struct iovec vectors[RECEIVE_BURST];

	/* Of the burst that is being parsed. */
	int64_t now_s;
	uint64_t lines, samples, taken;
	int refused;   /* why the line, or a sample of it, was refused; 0 */
	bool reserved; /* its name is not the sender's to use */
	struct slice line;
	char shown[RECEIVE_SHOWN_BYTES]; /* the line that will be logged */
	size_t shown_size;
	int shown_reason;
	struct log_limit limit;
};

static const char receive_expected[] =
	"udp://host:port or unixgram:///path, comma-separated (tcp:// and unix:// are not "
	"supported yet)";

const char *receive_check(const char *listen)
{
	struct slice list = slice_text(listen);
	struct addr address;
	size_t count = 0;
	int more;

	while ((more = addr_next(&list, &address)) == 1) {
		count++;
		if (address.scheme != ADDR_UDP && address.scheme != ADDR_UNIXGRAM &&
		    address.scheme != ADDR_NONE)
			return receive_expected;
	}
	return more < 0 || count == 0 || count > RECEIVE_SOCKETS ? receive_expected : NULL;
}

/* ---- parsing ---- */

static void receive_refuse(struct receiver *r, int reason)
{
	r->refused = reason;
	if (r->shown_reason != 0)
		return;
	r->shown_reason = reason;
	r->shown_size = r->line.size < sizeof(r->shown) ? r->line.size : sizeof(r->shown);
	memcpy(r->shown, r->line.ptr, r->shown_size);
}

static int receive_second(const struct receiver *r, const struct line_sample *sample,
			  int64_t *second)
{
	*second = r->now_s;
	if (sample->timestamp == LINE_NO_TIMESTAMP)
		return 0;
	*second = sample->timestamp;
	if (*second > r->now_s + LIMIT_AHEAD_SECONDS)
		return ERR_TOO_NEW;
	if (*second < r->now_s - r->max_age_s || *second < 0 ||
	    *second < atomic_load_explicit(&r->floor_second, memory_order_relaxed))
		return ERR_TOO_OLD;
	return 0;
}

/* Whether a name is the pipeline's own. Asked of the series, for a name may stand in pieces
 * around its tags, or be rewritten; there, nothing of this needs an escape. */
static bool receive_reserved(struct slice series)
{
	static const char prefix[] = "hourglass.";
	size_t size = sizeof(prefix) - 1;

	return series.ptr[0] == 'h' && series.size >= size &&
	       memcmp(series.ptr, prefix, size) == 0;
}

static void receive_sample(void *arg, const struct line_sample *sample)
{
	struct receiver *r = arg;
	int64_t second;
	int status;

	if (receive_reserved(sample->series)) {
		r->reserved = true;
		return;
	}
	status = receive_second(r, sample, &second);
	r->samples++;
	if (status == 0)
		status = intake_add(r->intake, sample, second);
	if (status == 0) {
		r->taken++;
		return;
	}
	ledger_reject_sample(r->ledger, status);
	receive_refuse(r, status);
}

static void receive_line(struct receiver *r, struct slice line)
{
	int count;

	r->line = line;
	r->refused = 0;
	r->reserved = false;
	count = line_parse(&r->parser, line, receive_sample, r);
	if (count == 0)
		return;
	r->lines++;
	if (r->reserved)
		count = ERR_RESERVED_NAME;
	if (count < 0)
		ledger_reject_line(r->ledger, count);
	if (count == ERR_EVENT || count == ERR_SERVICE_CHECK)
		return;
	if (count < 0)
		receive_refuse(r, count);
	if (r->refused == 0)
		intake_count_line(r->intake);
	else
		intake_count_reject(r->intake, line);
}

/* Of a datagram that did not fit, the last line is likely cut: it is left out. */
static struct slice receive_cut(struct slice datagram)
{
	while (datagram.size > 0 && datagram.ptr[datagram.size - 1] != '\n')
		datagram.size--;
	return datagram;
}

static void receive_datagram(struct receiver *r, const struct mmsghdr *message)
{
	struct slice datagram = slice_of(message->msg_hdr.msg_iov->iov_base, message->msg_len);
	struct slice line;

	if (message->msg_hdr.msg_flags & MSG_TRUNC) {
		tally_add(&r->ledger->datagrams_truncated, 1);
		datagram = receive_cut(datagram);
	}
	while (line_split(&datagram, &line))
		receive_line(r, line);
}

/* One refused line a second is shown: the operator's first hint at a sender's mistake. */
static void receive_show(struct receiver *r)
{
	char quoted[LOG_QUOTE_SIZE];
	uint64_t suppressed;

	if (r->shown_reason == 0)
		return;
	if (log_allowed(&r->limit, life_monotonic_ms(), &suppressed))
		log_warn("line_rejected", "reason=%s line=%s suppressed=%" PRIu64,
			 err_name(r->shown_reason),
			 log_quote(slice_of(r->shown, r->shown_size), quoted), suppressed);
	r->shown_reason = 0;
}

static void receive_parse(struct receiver *r, size_t count)
{
	uint64_t bytes = 0;

	r->lines = r->samples = r->taken = 0;
	intake_lock(r->intake);
	r->now_s = life_wall_ms() / 1000;
	for (size_t i = 0; i < count; i++) {
		bytes += r->messages[i].msg_len;
		receive_datagram(r, &r->messages[i]);
	}
	/* Counted before the mutex goes: whoever has it sees as much received as came of it. */
	tally_add(&r->ledger->samples, r->samples);
	if (r->count_taken != NULL)
		tally_add(r->count_taken, r->taken);
	tally_add(&r->ledger->lines, r->lines);
	tally_add(&r->ledger->datagram_bytes, bytes);
	tally_add(&r->ledger->datagrams, count);
	intake_unlock(r->intake);
	receive_show(r);
}

/* ---- the thread ---- */

/* Reads a socket until it is empty or has had its turn. False when it is broken. */
static bool receive_socket(struct receiver *r, int fd, int rounds)
{
	int count;

	do {
		/* Never waits: poll(2) said that there is something. */
		count = recvmmsg(fd, r->messages, RECEIVE_BURST, MSG_DONTWAIT | MSG_WAITFORONE,
				 NULL);
		if (count > 0)
			receive_parse(r, (size_t)count);
	} while (count == RECEIVE_BURST && --rounds > 0);
	if (count >= 0 || errno == EAGAIN || errno == EINTR)
		return true;
	tally_add(&r->ledger->receive_errors, 1);
	if (errno == ENOMEM || errno == ENOBUFS || errno == ECONNREFUSED)
		return true;
	log_error("socket_broken", "fd=%d err=%s", fd, err_name(-errno));
	return false;
}

static void *receive_main(void *arg)
{
	struct receiver *r = arg;
	struct pollfd polls[RECEIVE_SOCKETS + 1] = { { .fd = r->stop, .events = POLLIN } };

	for (size_t i = 0; i < r->socket_count; i++)
		polls[i + 1] = (struct pollfd){ .fd = r->sockets[i], .events = POLLIN };
	while (polls[0].revents == 0) {
		if (poll(polls, r->socket_count + 1, -1) < 0)
			continue; /* EINTR */
		for (size_t i = 1; i <= r->socket_count; i++)
			if (polls[i].revents != 0 &&
			    !receive_socket(r, polls[i].fd, RECEIVE_ROUNDS))
				polls[i].fd = -1; /* poll(2) skips it */
	}
	for (size_t i = 1; i <= r->socket_count; i++)
		if (polls[i].fd >= 0)
			(void)receive_socket(r, polls[i].fd, RECEIVE_ROUNDS_LAST);
	return NULL;
}

int receive_start(struct receiver *r)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int status;

	assert(!r->running);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, RECEIVE_STACK_BYTES);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	status = pthread_create(&r->thread, &attributes, receive_main, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (status != 0)
		return -status;
	pthread_setname_np(r->thread, "receiver");
	r->running = true;
	return 0;
}

void receive_stop(struct receiver *r)
{
	uint64_t one = 1;

	if (!r->running)
		return;
	if (write(r->stop, &one, sizeof(one)) != (ssize_t)sizeof(one))
		log_error("receiver_stop", "err=%s", err_name(-errno));
	pthread_join(r->thread, NULL);
	r->running = false;
}

/* ---- sockets ---- */

/* Asks for a larger buffer, first past the system's limit, and says what came of it. */
static void receive_set_buffer(int fd, size_t wanted_bytes)
{
	int wanted = (int)wanted_bytes, got = 0;
	socklen_t size = sizeof(got);

	/* The kernel doubles what is asked for, to make room for its own. */
	getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &size);
	if (got / 2 < wanted && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, size) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, size);
	getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &size);
	log_info("receive_buffer", "fd=%d bytes=%d wanted=%d%s", fd, got / 2, wanted,
		 got / 2 < wanted ? " hint=net.core.rmem_max" : "");
}

static void receive_add(struct receiver *r, int fd, size_t buffer_bytes)
{
	receive_set_buffer(fd, buffer_bytes);
	r->sockets[r->socket_count++] = fd;
	drops_watch(&r->drops, fd);
}

/* Takes the datagram sockets that systemd holds for us. */
static void receive_inherit(struct receiver *r, size_t buffer_bytes)
{
	int count = sd_listen_fds(0);

	for (int i = 0; i < count && r->socket_count < RECEIVE_SOCKETS; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (sd_is_socket(fd, AF_UNSPEC, SOCK_DGRAM, -1) > 0)
			receive_add(r, fd, buffer_bytes);
	}
}

static int receive_bind(struct receiver *r, const struct receive_options *options)
{
	struct slice list = slice_text(options->listen);
	char text[ADDR_TEXT_SIZE];
	struct addr address;
	int fd, status;

	while (addr_next(&list, &address) == 1 && r->socket_count < RECEIVE_SOCKETS) {
		if (address.scheme == ADDR_NONE)
			address.scheme = ADDR_UDP;
		status = socket_bind(&address, false, &fd);
		if (status < 0) {
			log_error("listen_failed", "address=%s err=%s",
				  addr_format(&address, text), err_name(status));
			return status;
		}
		receive_add(r, fd, options->buffer_bytes);
	}
	return 0;
}

static int receive_make_buffer(struct receiver *r)
{
	r->buffer = mmap(NULL, RECEIVE_BUFFER_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->buffer == MAP_FAILED) {
		r->buffer = NULL;
		return -errno;
	}
	for (size_t i = 0; i < RECEIVE_BURST; i++) {
		r->vectors[i] = (struct iovec){ .iov_base = r->buffer + i * LIMIT_DATAGRAM_BYTES,
						.iov_len = LIMIT_DATAGRAM_BYTES };
		r->messages[i].msg_hdr = (struct msghdr){ .msg_iov = &r->vectors[i],
							  .msg_iovlen = 1 };
	}
	return 0;
}

int receive_open(const struct receive_options *options, struct intake *intake,
		 struct ledger *ledger, struct receiver **out)
{
	struct receiver *r = calloc(1, sizeof(*r));
	int status;

	if (r == NULL)
		return -ENOMEM;
	r->intake = intake;
	r->ledger = ledger;
	r->max_age_s = options->max_age_s;
	line_parser_init(&r->parser, &options->lines);
	drops_init(&r->drops, options->state_dir ? options->state_dir : "");
	r->stop = eventfd(0, EFD_CLOEXEC);
	status = r->stop < 0 ? -errno : receive_make_buffer(r);
	if (status == 0)
		receive_inherit(r, options->buffer_bytes);
	if (status == 0 && r->socket_count == 0)
		status = receive_bind(r, options);
	if (status < 0) {
		receive_close(r);
		return status;
	}
	*out = r;
	return 0;
}

void receive_close(struct receiver *r)
{
	if (r == NULL)
		return;
	receive_stop(r);
	for (size_t i = 0; i < r->socket_count; i++)
		close(r->sockets[i]);
	if (r->stop >= 0)
		close(r->stop);
	if (r->buffer != NULL)
		munmap(r->buffer, RECEIVE_BUFFER_BYTES);
	free(r);
}

void receive_set_taken(struct receiver *r, tally_count *taken)
{
	assert(!r->running);
	r->count_taken = taken;
}

void receive_set_lines(struct receiver *r, const struct line_options *lines)
{
	intake_lock(r->intake);
	line_parser_init(&r->parser, lines);
	intake_unlock(r->intake);
}

void receive_set_floor(struct receiver *r, int64_t floor_second)
{
	atomic_store_explicit(&r->floor_second, floor_second, memory_order_relaxed);
}

void receive_count_drops(struct receiver *r)
{
	tally_add(&r->ledger->kernel_drops, drops_take(&r->drops));
}

void receive_drops_reported(struct receiver *r)
{
	drops_save(&r->drops);
}

const char *receive_addresses(const struct receiver *r, char out[RECEIVE_TEXT_SIZE])
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < r->socket_count && at < RECEIVE_TEXT_SIZE; i++) {
		char text[ADDR_TEXT_SIZE];
		const char *local = socket_local(r->sockets[i], text);
		bool udp = local[0] != '@' && strstr(local, "://") == NULL;

		at += (size_t)snprintf(out + at, RECEIVE_TEXT_SIZE - at, "%s%s%s", i ? "," : "",
				       udp ? "udp://" : "", local);
	}
	return out;
}
