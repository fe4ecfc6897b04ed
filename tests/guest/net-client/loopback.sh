#!/bin/sh
# SPDX-License-Identifier: MIT
#
# loopback.sh STATUS: the peer on the host's loopback, which the guest sees at 10.0.2.2 or not at all: it has to end
# with STATUS.
HOST_IP=127.0.0.1 HOST_IP6=::1 tests/guest/net-client/peer.py
[ $? -eq "$1" ]
