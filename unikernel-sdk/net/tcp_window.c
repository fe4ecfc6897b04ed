/* SPDX-License-Identifier: MIT
 *
 * tcp_window.c: the peer's window, where lwIP would miss what became of it. Trusts nothing in the
 * header but that lwIP has found its connection. Runs on the one vCPU.
 */
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"
#include "uk_hooks.h"

/*
 * A segment that acknowledges more than any before it carries the newest window, whatever its
 * place in the stream. lwIP goes by the highest sequence number it has seen (RFC 9293 3.10.7.4,
 * SND.WL1), which an out-of-order segment raises for good: it then keeps the old width while the
 * acknowledgements move on, sends far beyond what the peer takes, and waits for timeouts. Linux
 * judges as we do (tcp_may_update_window).
 *
 * hdr: in host byte order. Always ERR_OK: go on with the segment.
 */
err_t uk__tcp_newest_window(struct tcp_pcb *pcb, const struct tcp_hdr *hdr)
{
	if (pcb->state >= ESTABLISHED && pcb->state != TIME_WAIT && (TCPH_FLAGS(hdr) & TCP_ACK) &&
	    TCP_SEQ_BETWEEN(hdr->ackno, pcb->lastack + 1, pcb->snd_nxt) &&
	    !TCP_SEQ_LT(pcb->snd_wl1, hdr->seqno))
		pcb->snd_wl1 = hdr->seqno - 1;
	return ERR_OK;
}
