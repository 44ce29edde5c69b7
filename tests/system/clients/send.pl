# SPDX-License-Identifier: Apache-2.0
# Sends the samples of test_clients.py by Net::Statsd, which has no sets: perl send.pl HOST PORT PREFIX
use strict;
use warnings;
use Net::Statsd;

my $prefix = $ARGV[2];
($Net::Statsd::HOST, $Net::Statsd::PORT) = @ARGV[0, 1];

for my $i (1 .. 50) {
	Net::Statsd::increment($prefix . 'hits');
	Net::Statsd::timing($prefix . 'took', $i);
}
Net::Statsd::update_stats([$prefix . 'hits'], 7);
Net::Statsd::update_stats([$prefix . 'hits'], -2);
Net::Statsd::gauge($prefix . 'level' => 42.5);
