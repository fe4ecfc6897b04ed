/* SPDX-License-Identifier: MIT
 *
 * emit.c: compiled policies as C and as a file; see compile.h and lib/filter_file.h.
 */
#include "monitor/seccomp/compile.h"

#include <string.h>

#include "lib/filter_file.h"

static void put_tables(const struct compiled *c, const char *name, FILE *out)
{
	const struct filter_policy *p = &c->policy;

	fprintf(out, "static const char %s_names[] = \"", name);
	for (unsigned i = 0; i < c->names_len; i++)
		fputs(c->names[i] ? (char[]){c->names[i], 0} : "\\0\" \"", out);
	fprintf(out, "\";\nstatic const uint16_t %s_slots[] = {", name);
	for (unsigned i = 0; i < p->nslots; i++)
		fprintf(out, "%u, ", p->slots[i]);
	fprintf(out, "%s};\nstatic const struct filter_block %s_blocks[] = {\n",
		p->nslots ? "" : "0", name);
	for (unsigned i = 0; i < p->nblocks; i++) {
		const struct filter_block *b = &p->blocks[i];

		fprintf(out, "\t{%u, %u, %u, %u, %u}, /* %s */\n", b->feature, b->rule, b->nrules,
			b->slot, b->nslots, p->names + b->feature);
	}
	fprintf(out, "};\nstatic const struct filter_rule %s_rules[] = {\n", name);
	for (unsigned i = 0; i < p->nrules; i++)
		fprintf(out, "\t{%u, %u, %u, %u},\n", p->rules[i].nr, p->rules[i].id,
			p->rules[i].test, p->rules[i].ntests);
	fprintf(out, "};\nstatic const struct filter_test %s_tests[] = {\n", name);
	for (unsigned i = 0; i < p->ntests; i++)
		fprintf(out, "\t{0x%x, %u, %u, %u, 0},\n", p->tests[i].value, p->tests[i].word,
			p->tests[i].op, p->tests[i].slot);
	fprintf(out, "%s};\n", p->ntests ? "" : "\t{0, 0, 0, 0, 0}");
}

void emit_c(const struct compiled *c, FILE *out)
{
	const struct filter_policy *p = &c->policy;
	char name[FILTER_NAME];

	snprintf(name, sizeof name, "%s", p->name);
	for (char *at = name; *at; at++)
		if (*at == '-' || *at == '/')
			*at = '_';
	put_tables(c, name, out);
	fprintf(out, "extern const struct filter_policy filter_%s;\n", name);
	fprintf(out,
		"const struct filter_policy filter_%s = {\"%s\", %s_names, %s_slots, %s_blocks, "
		"%s_rules, %s_tests, %u, %u, %u, %u, %d};\n\n",
		name, p->name, name, name, name, name, name, p->nblocks, p->nslots, p->nrules,
		p->ntests, p->deny);
}

static void put_name(const char *s, FILE *out)
{
	char name[FILTER_NAME] = "";

	snprintf(name, sizeof name, "%s", s);
	fwrite(name, sizeof name, 1, out);
}

static void put_block(const struct filter_policy *p, const struct filter_block *b, FILE *out)
{
	const uint16_t counts[2] = {b->nslots, b->nrules};

	put_name(p->names + b->feature, out);
	fwrite(counts, sizeof counts, 1, out);
	for (unsigned i = 0; i < b->nslots; i++)
		put_name(p->names + p->slots[b->slot + i], out);
	for (unsigned i = b->rule; i < b->rule + b->nrules; i++) {
		const struct filter_rule *r = &p->rules[i];
		const uint16_t v[3] = {r->nr, r->id, r->ntests};

		fwrite(v, sizeof v, 1, out);
		fwrite(&p->tests[r->test], sizeof p->tests[0], r->ntests, out);
	}
}

void emit_file(const struct filter_policy *const *policies, unsigned n, FILE *out)
{
	struct filter_file_head head = {.npolicies = n};

	memcpy(head.magic, FILTER_FILE_MAGIC, sizeof head.magic);
	fwrite(&head, sizeof head, 1, out);
	for (unsigned i = 0; i < n; i++) {
		const uint32_t nblocks = policies[i]->nblocks;

		put_name(policies[i]->name, out);
		fwrite(&nblocks, sizeof nblocks, 1, out);
		for (unsigned k = 0; k < nblocks; k++)
			put_block(policies[i], &policies[i]->blocks[k], out);
	}
}
