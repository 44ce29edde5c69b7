// SPDX-License-Identifier: Apache-2.0
/*
 * receive.c - one loop a thread: wait or nap, look at the sockets, take bursts.
 *
 *     waits: ppoll(2) of all sockets, without a timeout     then those that it found are read
 *     naps:  ppoll(2) of hasty sockets, for as long         then all are read, unasked
 *
 * The array for poll(2) begins with the eventfd of the end and the hasty sockets, so a nap passes
 * just its front to the kernel. The end is seen between two looks; then each socket is read until
 * it is empty, and bounded, for a sender that never pauses must not keep the agent from ending. A
 * worker's members are its thread's while it runs; the loop touches only atomics, and what it sets
 * under the intake's mutex.
 */
#include "agent/receive.h"

#include "agent/drops.h"
#include "agent/listen.h"
#include "agent/ingest.h"
#include "agent/nap.h"
#include "proto/daemon/log.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/net/socket.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RECEIVE_BURST 64
/* A socket that never runs dry must not starve the others, nor keep the agent from ending. */
#define RECEIVE_ROUNDS       16
#define RECEIVE_ROUNDS_LAST  4096
#define RECEIVE_STACK_BYTES  (256 * 1024)
/* From one datagram's place to the next. Were it a power of two, the first bytes of all would
 * compete for the same few lines of the processor's caches, and small ones have no others. */
#define RECEIVE_STRIDE       ((size_t)LIMIT_DATAGRAM_BYTES + 4096 + 64)
#define RECEIVE_BUFFER_BYTES (RECEIVE_BURST * RECEIVE_STRIDE)
#define RECEIVE_NS_A_S       1000000000

static_assert(RECEIVE_SOCKETS <= DROPS_SOCKETS, "drops of every socket are counted");

/* One thread: its sockets, and the intake that only it fills. */
struct receive_worker {
	struct ingest ingest;
	int sockets[RECEIVE_SOCKETS];
	bool hasty[RECEIVE_SOCKETS]; /* may not be left alone (nap.h) */
	size_t socket_count, hasty_count;
	int stop;       /* the receiver's */
	int64_t nap_ns; /* as long as the others' buffers allow */
	bool napped;    /* before this look at the sockets */
	bool running;
	pthread_t thread;
	uint8_t *buffer; /* RECEIVE_BURST datagrams; only pages that were used are resident */
	struct mmsghdr messages[RECEIVE_BURST];
	struct iovec vectors[RECEIVE_BURST];
};

struct receiver {
	struct ledger *ledger;
	struct drops drops;
	int stop;
	bool inherited; /* its sockets */
	size_t worker_count;
	struct receive_worker workers[];
};

/* ---- parsing ---- */

/* Of a datagram that did not fit, the last line is likely cut: it is left out. */
static struct slice receive_cut(struct slice datagram)
{
	while (datagram.size > 0 && datagram.ptr[datagram.size - 1] != '\n')
		datagram.size--;
	return datagram;
}

static void receive_datagram(struct receive_worker *w, const struct mmsghdr *message)
{
	struct slice datagram = slice_of(message->msg_hdr.msg_iov->iov_base, message->msg_len);

	if (message->msg_hdr.msg_flags & MSG_TRUNC) {
		tally_add(&w->ingest.intake->counts.datagrams_truncated, 1);
		datagram = receive_cut(datagram);
	}
	ingest_text(&w->ingest, datagram);
}

static void receive_parse(struct receive_worker *w, size_t count)
{
	struct ledger *counts = &w->ingest.intake->counts;
	uint64_t bytes = 0;

	ingest_begin(&w->ingest, w->napped);
	for (size_t i = 0; i < count; i++) {
		bytes += w->messages[i].msg_len;
		receive_datagram(w, &w->messages[i]);
	}
	tally_add(&counts->datagram_bytes, bytes);
	tally_add(&counts->datagrams, count);
	ingest_end(&w->ingest);
}

/* ---- the threads ---- */

/* What came of a look at the sockets. */
struct receive_look {
	uint64_t found; /* datagrams */
	bool more;  /* and there may be more */
};

/* Takes up to a burst from a socket. How many, or -1: see errno. */
static int receive_burst(struct receive_worker *w, int fd)
{
	/* Never waits: poll(2) does. */
	int count = recvmmsg(fd, w->messages, RECEIVE_BURST, MSG_DONTWAIT | MSG_WAITFORONE, NULL);

	if (count > 0)
		receive_parse(w, (size_t)count);
	return count;
}

/* Whether a socket of which nothing could be read is of no use any more. */
static bool receive_is_broken(struct receive_worker *w, int fd)
{
	if (errno == EAGAIN || errno == EINTR)
		return false;
	tally_add(&w->ingest.intake->counts.receive_errors, 1);
	if (errno == ENOMEM || errno == ENOBUFS || errno == ECONNREFUSED)
		return false;
	log_error("socket_broken", "fd=%d err=%s hint=\"nothing more is read from it: restart the "
		  "agent\"", fd, err_name(-errno));
	return true;
}

/* Reads a socket until it is empty or has had its turn. */
static void receive_socket(struct receive_worker *w, struct pollfd *socket, int rounds,
			   struct receive_look *look)
{
	int count;

	do {
		count = receive_burst(w, socket->fd);
		look->found += count > 0 ? (uint64_t)count : 0;
	} while (count == RECEIVE_BURST && --rounds > 0);
	look->more = look->more || count == RECEIVE_BURST;
	if (count < 0 && receive_is_broken(w, socket->fd))
		socket->fd = -1; /* poll(2) skips it */
}

static int64_t receive_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * RECEIVE_NS_A_S + now.tv_nsec;
}

/* Reads what poll(2) has found, or whatever there is. */
static struct receive_look receive_look(struct receive_worker *w, struct pollfd *polls)
{
	struct receive_look look = { 0 };

	for (size_t i = 1; i <= w->socket_count; i++)
		if (polls[i].fd >= 0 && (w->napped || polls[i].revents != 0))
			receive_socket(w, &polls[i], RECEIVE_ROUNDS, &look);
	return look;
}

/* Waits for a datagram; or naps, and then all sockets are looked at, which costs less than to ask
 * poll(2). Hasty ones and the end are never slept through. */
static bool receive_wait(const struct receive_worker *w, struct pollfd *polls, int64_t nap_ns)
{
	const struct timespec nap = { .tv_sec = nap_ns / RECEIVE_NS_A_S,
				      .tv_nsec = nap_ns % RECEIVE_NS_A_S };

	return ppoll(polls, 1 + (nap_ns > 0 ? w->hasty_count : w->socket_count),
		     nap_ns > 0 ? &nap : NULL, NULL) >= 0; /* else EINTR */
}

/* The end comes first, then hasty sockets: what a nap does not sleep through. */
static void receive_polls(const struct receive_worker *w, struct pollfd *polls)
{
	size_t hasty = 1, other = 1 + w->hasty_count;

	polls[0] = (struct pollfd){ .fd = w->stop, .events = POLLIN };
	for (size_t i = 0; i < w->socket_count; i++)
		polls[w->hasty[i] ? hasty++ : other++] =
			(struct pollfd){ .fd = w->sockets[i], .events = POLLIN };
}

static void *receive_main(void *arg)
{
	struct receive_worker *w = arg;
	struct pollfd polls[RECEIVE_SOCKETS + 1];
	struct receive_look look;
	struct nap nap;
	uint64_t found = 0; /* since they were empty */
	int64_t nap_ns = 0;

	nap_init(&nap, w->nap_ns);
	receive_polls(w, polls);
	while (polls[0].revents == 0) {
		if (!receive_wait(w, polls, nap_ns))
			continue;
		w->napped = nap_ns > 0;
		look = receive_look(w, polls);
		found += look.found;
		nap_ns = 0;
		if (!look.more) {
			nap_ns = nap_next(&nap, found, receive_now_ns());
			found = 0;
		}
	}
	for (size_t i = 1; i <= w->socket_count; i++)
		if (polls[i].fd >= 0)
			receive_socket(w, &polls[i], RECEIVE_ROUNDS_LAST, &look);
	return NULL;
}

static int receive_start_worker(struct receive_worker *w, const pthread_attr_t *attributes)
{
	int status = pthread_create(&w->thread, attributes, receive_main, w);

	if (status != 0)
		return -status;
	pthread_setname_np(w->thread, "receiver");
	w->running = true;
	return 0;
}

int receive_start(struct receiver *r)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int status = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, RECEIVE_STACK_BYTES);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (size_t i = 0; i < r->worker_count && status == 0; i++)
		status = receive_start_worker(&r->workers[i], &attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return status;
}

void receive_stop(struct receiver *r)
{
	uint64_t one = 1;

	/* Nobody reads it, so it wakes all of them. */
	if (write(r->stop, &one, sizeof(one)) != (ssize_t)sizeof(one))
		log_error("receiver_stop", "err=%s", err_name(-errno));
	for (size_t i = 0; i < r->worker_count; i++)
		if (r->workers[i].running)
			pthread_join(r->workers[i].thread, NULL);
	for (size_t i = 0; i < r->worker_count; i++)
		r->workers[i].running = false;
}

/* ---- sockets ---- */

/* Asks for a larger buffer, first past the system's limit, and says what came of it. Returns the
 * bytes that the kernel grants, its own included. */
static int receive_set_buffer(int fd, size_t wanted_bytes)
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
	return got;
}

/* How long a socket may be left alone. Senders to a Unix socket wait when a few datagrams are
 * there, and they must not wait for us. */
static int64_t receive_nap_ns(int fd, int buffer_bytes)
{
	int domain = AF_UNIX;
	socklen_t size = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 || domain == AF_UNIX)
		return 0;
	return nap_of_buffer(buffer_bytes);
}

/* Takes a socket over, which is closed with the rest; without room at once. */
static int receive_add(struct receiver *r, size_t worker, int fd, size_t buffer_bytes)
{
	struct receive_worker *w = &r->workers[worker];
	int64_t nap_ns;

	if (r->drops.count == RECEIVE_SOCKETS) {
		log_error("too_many_sockets", "most=%d hint=\"listen at fewer addresses, or with "
			  "fewer receivers\"", RECEIVE_SOCKETS);
		close(fd);
		return -ENOBUFS;
	}
	nap_ns = receive_nap_ns(fd, receive_set_buffer(fd, buffer_bytes));
	if (nap_ns > 0 && (w->nap_ns == 0 || nap_ns < w->nap_ns))
		w->nap_ns = nap_ns;
	w->hasty[w->socket_count] = nap_ns == 0;
	w->hasty_count += nap_ns == 0;
	w->sockets[w->socket_count++] = fd;
	drops_watch(&r->drops, fd);
	return 0;
}

/* Deals the datagram sockets that systemd holds out to the threads: each is read by one, so that
 * what one sender says stays in order. */
static int receive_inherit(struct receiver *r, size_t buffer_bytes)
{
	int fds[RECEIVE_SOCKETS + 1], status = 0; /* one too many is refused, not left unread */
	size_t count = listen_inherited(false, fds, RECEIVE_SOCKETS + 1);

	for (size_t i = 0; i < count && status == 0; i++)
		status = receive_add(r, i % r->worker_count, fds[i], buffer_bytes);
	return status;
}

/* The port a socket was given. */
static uint16_t receive_port(int fd)
{
	char text[ADDR_TEXT_SIZE];
	struct addr at;

	return addr_parse(slice_text(socket_local(fd, text)), &at) == 0 ? at.port : 0;
}

/* A UDP address is bound once a thread, and the kernel deals the senders out (SO_REUSEPORT); a Unix
 * socket can only be one. */
static int receive_bind_address(struct receiver *r, const struct receive_options *options,
				struct addr *at)
{
	size_t times = at->scheme == ADDR_UDP ? r->worker_count : 1;
	int fd, status;

	for (size_t i = 0; i < times; i++) {
		status = listen_bind(options->listen, at, times > 1, &fd);
		if (status < 0)
			return status;
		if (at->scheme == ADDR_UDP)
			at->port = receive_port(fd);
		status = receive_add(r, i, fd, options->buffer_bytes);
		if (status < 0)
			return status;
	}
	return 0;
}

static int receive_bind(struct receiver *r, const struct receive_options *options)
{
	struct addr all[LISTEN_ADDRESSES];
	size_t count = listen_addresses(options->listen, false, all);
	int status = 0;

	for (size_t i = 0; i < count && status == 0; i++)
		status = receive_bind_address(r, options, &all[i]);
	return status;
}

static int receive_make_buffer(struct receive_worker *w)
{
	w->buffer = mmap(NULL, RECEIVE_BUFFER_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w->buffer == MAP_FAILED) {
		w->buffer = NULL;
		return -errno;
	}
	for (size_t i = 0; i < RECEIVE_BURST; i++) {
		w->vectors[i] = (struct iovec){ .iov_base = w->buffer + i * RECEIVE_STRIDE,
						.iov_len = LIMIT_DATAGRAM_BYTES };
		w->messages[i].msg_hdr = (struct msghdr){ .msg_iov = &w->vectors[i],
							  .msg_iovlen = 1 };
	}
	return 0;
}

static int receive_open_sockets(struct receiver *r, const struct receive_options *options)
{
	int status = receive_inherit(r, options->buffer_bytes);

	r->inherited = r->drops.count > 0;
	if (status == 0 && !r->inherited)
		status = receive_bind(r, options);
	return status;
}

int receive_open(const struct receive_options *options, struct intake *intakes,
		 struct ledger *ledger, struct receiver **out)
{
	size_t count = options->receivers ? options->receivers : 1;
	struct receiver *r = calloc(1, sizeof(*r) + count * sizeof(r->workers[0]));
	int status;

	assert(count <= RECEIVE_THREADS);
	if (r == NULL)
		return -ENOMEM;
	r->ledger = ledger;
	r->worker_count = count;
	drops_init(&r->drops, options->state_dir ? options->state_dir : "");
	r->stop = eventfd(0, EFD_CLOEXEC);
	status = r->stop < 0 ? -errno : 0;
	for (size_t i = 0; i < count; i++) {
		ingest_init(&r->workers[i].ingest, &intakes[i], &options->lines,
			    options->max_age_s);
		r->workers[i].stop = r->stop;
		if (status == 0)
			status = receive_make_buffer(&r->workers[i]);
	}
	if (status == 0)
		status = receive_open_sockets(r, options);
	if (status < 0) {
		receive_close(r);
		return status;
	}
	*out = r;
	return 0;
}

static void receive_close_worker(struct receive_worker *w)
{
	for (size_t i = 0; i < w->socket_count; i++)
		close(w->sockets[i]);
	if (w->buffer != NULL)
		munmap(w->buffer, RECEIVE_BUFFER_BYTES);
}

void receive_close(struct receiver *r)
{
	if (r == NULL)
		return;
	if (r->stop >= 0)
		receive_stop(r);
	for (size_t i = 0; i < r->worker_count; i++)
		receive_close_worker(&r->workers[i]);
	if (r->stop >= 0)
		close(r->stop);
	free(r);
}

void receive_set_taken(struct receiver *r, tally_count *taken)
{
	for (size_t i = 0; i < r->worker_count; i++)
		ingest_set_taken(&r->workers[i].ingest, taken);
}

void receive_set_lines(struct receiver *r, const struct line_options *lines)
{
	for (size_t i = 0; i < r->worker_count; i++)
		ingest_set_lines(&r->workers[i].ingest, lines);
}

void receive_set_floor(struct receiver *r, int64_t floor_second)
{
	for (size_t i = 0; i < r->worker_count; i++)
		ingest_set_floor(&r->workers[i].ingest, floor_second);
}

void receive_count_drops(struct receiver *r)
{
	tally_add(&r->ledger->kernel_drops, drops_take(&r->drops));
}

void receive_drops_reported(struct receiver *r)
{
	drops_save(&r->drops);
}

void receive_addresses(const struct receiver *r, char out[LISTEN_TEXT_SIZE])
{
	/* What we have bound ourselves the first thread has one of each. */
	size_t workers = r->inherited ? r->worker_count : 1;

	for (size_t i = 0; i < workers; i++)
		for (size_t j = 0; j < r->workers[i].socket_count; j++)
			listen_show(r->workers[i].sockets[j], out);
}
