/* SPDX-License-Identifier: MIT
 *
 * cmdline.c: cuts the command line in place into words and says what each one is. The line lives in
 * the boot page for as long as the VM, so nothing is copied. Trusts the monitor; runs once, before
 * main, but for uk__setting(), which walks the few words again.
 */
#include "core/cmdline.h"

#include <ctype.h>
#include <string.h>

#include "core/sys.h"

static char *words;	/* words one after another, each NUL-terminated */
static char *words_end; /* behind the last NUL */
static char *dash;	/* the word "--", NULL when there is none */

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Copy one word from *in to out, which never overtakes; returns the end of the copy. */
static char *cut(char **in, char *out, bool *ret_quoted)
{
	char quote = 0;
	char *s = *in;

	*ret_quoted = false;
	for (; *s && (quote || !blank(*s)); s++) {
		if (quote ? *s == quote : (*s == '"' || *s == '\'')) {
			quote = quote ? 0 : *s;
			*ret_quoted = true;
			continue;
		}
		if (*s == '\\' && quote != '\'' && s[1]) {
			s++;
			*ret_quoted = true;
		}
		*out++ = *s;
	}
	*in = *s ? s + 1 : s;
	return out;
}

void uk__cmdline_parse(char *line, bool foreign)
{
	static const char vmm_word[] = "virtio_mmio.device=";
	char *in = line, *out = line;
	char *vmm_tail = NULL; /* where the VMM's words begin, when nothing else follows them */

	words = line;
	for (;;) {
		char *word = out;
		bool quoted;

		while (blank(*in))
			in++;
		if (!*in)
			break;
		out = cut(&in, out, &quoted);
		*out++ = 0;
		if (!dash && !quoted && !strcmp(word, "--"))
			dash = word;
		if (!strncmp(word, vmm_word, sizeof(vmm_word) - 1))
			vmm_tail = vmm_tail ? vmm_tail : word;
		else
			vmm_tail = NULL;
	}
	words_end = foreign && vmm_tail ? vmm_tail : out;
}

/* Length of a leading environment name with its '=', 0 when there is none. */
static size_t env_name(const char *w)
{
	const char *s = w;

	if (!isalpha((unsigned char)*s) && *s != '_')
		return 0;
	while (isalnum((unsigned char)*s) || *s == '_')
		s++;
	return *s == '=' ? (size_t)(s - w) + 1 : 0;
}

/* "a.b=c": for the library OS or for somebody else's kernel. */
static bool dotted(const char *w)
{
	const char *eq = strchr(w, '='), *dot = strchr(w, '.');

	return eq && dot && dot < eq;
}

char *uk__cmdline_next(struct uk_word_iter *it, enum uk_word *ret_kind)
{
	char *w = it->next ? it->next : words;

	if (w && w == dash && !it->seen_dash) {
		it->seen_dash = true;
		w += strlen(w) + 1;
	}
	if (!w || w >= words_end)
		return NULL;
	it->next = w + strlen(w) + 1;
	if (it->seen_dash)
		*ret_kind = UK_WORD_ARG;
	else if (!strncmp(w, "mayfly.", 7))
		*ret_kind = UK_WORD_SETTING;
	else if (env_name(w) && !it->seen_arg)
		*ret_kind = UK_WORD_ENV;
	else if (dash || dotted(w))
		*ret_kind = UK_WORD_OTHER;
	else
		*ret_kind = UK_WORD_ARG;
	if (*ret_kind == UK_WORD_ARG)
		it->seen_arg = true;
	return w;
}

const char *uk__setting(const char *name)
{
	struct uk_word_iter it = {0};
	enum uk_word kind;
	size_t len = strlen(name);
	char *w;

	while ((w = uk__cmdline_next(&it, &kind)))
		if (kind == UK_WORD_SETTING && !strncmp(w + 7, name, len) && w[7 + len] == '=')
			return w + 7 + len + 1;
	return NULL;
}
