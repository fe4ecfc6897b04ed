/* SPDX-License-Identifier: MIT
 *
 * emit.c: compiled policies as C and as a file; see compile.h and lib/filter_file.h.
 */
#include "monitor/seccomp/compile.h"

#include <string.h>

#include "lib/filter_file.h"

static void put_insns(const char *name, unsigned i, const struct filter_block *b, FILE *out)
{
	if (b->ninsns) {
		fprintf(out, "static const struct sock_filter %s_insns_%u[] = {\n", name, i);
		for (unsigned k = 0; k < b->ninsns; k++)
			fprintf(out, "\t{0x%02x, %u, %u, 0x%08x},\n", b->insns[k].code,
				b->insns[k].jt, b->insns[k].jf, b->insns[k].k);
		fputs("};\n", out);
		fprintf(out, "static const uint16_t %s_calls_%u[] = {", name, i);
		for (unsigned k = 0; k < b->ncalls; k++)
			fprintf(out, "%u,", b->calls[k]);
		fputs("};\n", out);
	}
	if (b->nfrees) {
		fprintf(out, "static const struct filter_free %s_frees_%u[] = {", name, i);
		for (unsigned k = 0; k < b->nfrees; k++)
			fprintf(out, "{%u, %u},", b->frees[k].nr, b->frees[k].rule);
		fputs("};\n", out);
	}
	if (b->nfixups) {
		fprintf(out, "static const struct filter_fixup %s_fixups_%u[] = {", name, i);
		for (unsigned k = 0; k < b->nfixups; k++)
			fprintf(out, "{%u, %u},", b->fixups[k].at, b->fixups[k].slot);
		fputs("};\n", out);
	}
	if (b->nslots) {
		fprintf(out, "static const char *const %s_slots_%u[] = {", name, i);
		for (unsigned k = 0; k < b->nslots; k++)
			fprintf(out, "\"%s\",", b->slots[k]);
		fputs("};\n", out);
	}
}

/* The array of that kind, or nothing. */
static void put_ref(const char *name, const char *kind, unsigned i, unsigned n, FILE *out)
{
	if (n)
		fprintf(out, ".%s = %s_%s_%u, .n%s = %u, ", kind, name, kind, i, kind, n);
}

static void put_block(const char *name, unsigned i, const struct filter_block *b, FILE *out)
{
	fprintf(out, "\t{.feature = \"%s\", ", b->feature);
	put_ref(name, "insns", i, b->ninsns, out);
	put_ref(name, "fixups", i, b->nfixups, out);
	put_ref(name, "slots", i, b->nslots, out);
	put_ref(name, "calls", i, b->ncalls, out);
	put_ref(name, "frees", i, b->nfrees, out);
	fputs("},\n", out);
}

void emit_c(const struct filter_policy *p, FILE *out)
{
	char name[FILTER_NAME];

	snprintf(name, sizeof name, "%s", p->name);
	for (char *c = name; *c; c++)
		if (*c == '-' || *c == '/')
			*c = '_';
	for (unsigned i = 0; i < p->nblocks; i++)
		put_insns(name, i, &p->blocks[i], out);
	fprintf(out, "static const struct filter_block %s_blocks[] = {\n", name);
	for (unsigned i = 0; i < p->nblocks; i++)
		put_block(name, i, &p->blocks[i], out);
	fprintf(out, "};\nextern const struct filter_policy filter_%s;\n", name);
	fprintf(out, "const struct filter_policy filter_%s = {\"%s\", %s_blocks, %u, %d};\n\n",
		name, p->name, name, p->nblocks, p->deny);
}

static void put_name(const char *s, FILE *out)
{
	char name[FILTER_NAME] = "";

	snprintf(name, sizeof name, "%s", s);
	fwrite(name, sizeof name, 1, out);
}

void emit_file(const struct filter_policy *const *policies, unsigned n, FILE *out)
{
	struct filter_file_head head = {.npolicies = n};

	memcpy(head.magic, FILTER_FILE_MAGIC, sizeof head.magic);
	fwrite(&head, sizeof head, 1, out);
	for (unsigned i = 0; i < n; i++) {
		const struct filter_policy *p = policies[i];

		put_name(p->name, out);
		fwrite(&p->nblocks, sizeof p->nblocks, 1, out);
		for (unsigned k = 0; k < p->nblocks; k++) {
			const struct filter_block *b = &p->blocks[k];
			const uint16_t counts[5] = {b->ninsns, b->nfixups, b->nslots, b->ncalls,
						    b->nfrees};

			put_name(b->feature, out);
			fwrite(counts, sizeof counts, 1, out);
			for (unsigned s = 0; s < b->nslots; s++)
				put_name(b->slots[s], out);
			fwrite(b->calls, sizeof b->calls[0], b->ncalls, out);
			fwrite(b->frees, sizeof b->frees[0], b->nfrees, out);
			fwrite(b->fixups, sizeof b->fixups[0], b->nfixups, out);
			fwrite(b->insns, sizeof b->insns[0], b->ninsns, out);
		}
	}
}
