/* SPDX-License-Identifier: MIT
 *
 * tcp_window.c: judges a segment's acknowledgement before lwIP does: whether it can be the peer's,
 * and whether the window with it is the newest. Trusts nothing in the header but that lwIP has
 * found its connection. Runs on the one vCPU.
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
 */
static void newest_window(struct tcp_pcb *pcb, const struct tcp_hdr *hdr)
{
	if (TCP_SEQ_BETWEEN(hdr->ackno, pcb->lastack + 1, pcb->snd_nxt) &&
	    !TCP_SEQ_LT(pcb->snd_wl1, hdr->seqno))
		pcb->snd_wl1 = hdr->seqno - 1;
}

/*
 * hdr: in host byte order. ERR_OK: go on with the segment. On an open connection every segment has
 * an acknowledgement, and who makes one up does not know where it should be: then the segment is
 * not taken and the peer, if it was the peer, learns the right numbers (RFC 5961 5.2).
 */
err_t uk__tcp_judge(struct tcp_pcb *pcb, const struct tcp_hdr *hdr)
{
	if (pcb->state < ESTABLISHED || pcb->state == TIME_WAIT ||
	    (TCPH_FLAGS(hdr) & (TCP_SYN | TCP_RST)))
		return ERR_OK;
	if (!(TCPH_FLAGS(hdr) & TCP_ACK))
		return ERR_VAL;
	if (!TCP_SEQ_BETWEEN(hdr->ackno, pcb->lastack - pcb->snd_wnd_max, pcb->snd_nxt)) {
		tcp_send_empty_ack(pcb);
		return ERR_VAL;
	}
	newest_window(pcb, hdr);
	return ERR_OK;
}
