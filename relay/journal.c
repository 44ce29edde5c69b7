// SPDX-License-Identifier: Apache-2.0
#include "relay/journal.h"

#include "proto/daemon/life.h"
#include "proto/err.h"
#include "proto/hex.h"

#include <inttypes.h>

#define JOURNAL_AGENT_HEX (2 * FRAME_AGENT_BYTES + 1)

/* One line a second and kind; the next says how many were held back. */
static bool journal_may(struct log_limit *limit, uint64_t *suppressed)
{
	return log_allowed(limit, life_monotonic_ms(), suppressed);
}

void journal_discarded(struct journal *j, uint32_t partition, enum committer_reason reason,
		       int code)
{
	static const char *const names[] = {
		[COMMITTER_CONFLICT] = "conflict", [COMMITTER_LOST] = "lost",
		[COMMITTER_FLOOR] = "floor",	   [COMMITTER_CONFIG] = "config",
		[COMMITTER_ROLLBACK] = "rollback", [COMMITTER_MERGE] = "merge",
	};
	/* Conflicts are the ordinary price of a stream that changes its relay. */
	enum log_level level = reason == COMMITTER_CONFLICT ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;
	uint64_t suppressed;

	if (journal_may(&j->discarded, &suppressed))
		log_event(level, "partition_reset",
			  "partition=%" PRIu32 " reason=%s code=%s suppressed=%" PRIu64, partition,
			  names[reason], code ? err_name(code) : "none", suppressed);
}

void journal_foreign(struct journal *j, uint32_t partition, struct slice stored)
{
	char quoted[LOG_QUOTE_SIZE];

	if (journal_may(&j->foreign, NULL))
		log_error("store_foreign", "partition=%" PRIu32 " stored_cfg=%s", partition,
			  stored.size ? log_quote(stored, quoted) : "none");
}

void journal_error(struct journal *j, uint32_t partition, enum script script, struct slice text)
{
	char quoted[LOG_QUOTE_SIZE];

	if (journal_may(&j->error, NULL))
		log_error("store_error", "partition=%" PRIu32 " script=%s error=%s", partition,
			  script_name(script), log_quote(text, quoted));
}

void journal_rejected(struct journal *j, const struct stream_id *id,
		      const struct image_rejects *n)
{
	char agent[JOURNAL_AGENT_HEX];
	uint64_t suppressed;

	if (journal_may(&j->rejected, &suppressed))
		log_warn("samples_rejected",
			 "agent=%s too_old=%" PRIu64 " too_new=%" PRIu64 " suppressed=%" PRIu64
			 " hint=\"is a clock wrong?\"",
			 hex_write(id->bytes, FRAME_AGENT_BYTES, agent), n->too_old, n->too_new,
			 suppressed);
}

void journal_greeted(const char *peer, const struct frame_hello *hello)
{
	char agent[JOURNAL_AGENT_HEX], quoted[LOG_QUOTE_SIZE];

	log_debug("agent_up", "peer=%s agent=%s host=%s", peer,
		  hex_write(hello->agent_id, FRAME_AGENT_BYTES, agent),
		  log_quote(hello->host, quoted));
}

static const char *journal_refusal_hint(int code)
{
	if (code == ERR_BAD_AUTH)
		return " hint=\"give this agent the fleet_secret of this relay\"";
	if (code == ERR_VERSION)
		return " hint=\"an agent of another version, or none: HTTP is on the admin port\"";
	return "";
}

void journal_refused(struct journal *j, const char *peer, int code)
{
	uint64_t suppressed;

	if (journal_may(&j->refused, &suppressed))
		log_warn("session_refused", "peer=%s reason=%s suppressed=%" PRIu64 "%s", peer,
			 err_name(code), suppressed,
			 journal_refusal_hint(code));
}

void journal_foreign_fleet(const char *endpoint, struct slice stored, uint32_t partitions)
{
	unsigned long long cfg = 0;

	for (size_t i = 0; i < stored.size && i < 19; i++)
		if (stored.ptr[i] >= '0' && stored.ptr[i] <= '9')
			cfg = 10 * cfg + stored.ptr[i] - '0';
	log_error("foreign_store",
		  "endpoint=%s stored_cfg=%llu stored_partitions=%llu stored_hash_version=%llu "
		  "our_partitions=%" PRIu32 " our_hash_version=%d "
		  "hint=\"set partitions as the fleet has it, or use another Redis\"",
		  endpoint, cfg, cfg & UINT32_MAX, cfg >> 32, partitions, HASH_VERSION);
}
