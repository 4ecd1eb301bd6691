/* SPDX-License-Identifier: MIT */
/*
 * Which of the mitigations are on: by what the CPU says, then by the command
 * line. Nothing here touches the CPU. The words are those of Xen's command
 * line; docs/security.md explains the flaws.
 */
#include <zelo/speculation.h>

#include <zelo/lib.h>
#include <zelo/log.h>

#include <xen/arch-x86/cpufeatureset.h>

#include "msr.h"

struct speculation speculation;

#define HAS(word, feature) (!!((word) & (1u << (XEN_X86_FEATURE_##feature % 32))))
#define CAP(cpu, feature) \
    (!!((cpu)->arch_caps & (1ULL << (XEN_X86_FEATURE_##feature - XEN_X86_FEATURE_RDCL_NO))))

/* --- what the CPU has --- */

struct abilities { bool ibrs, stibp, ssbd, psfd, bhi_dis, ibpb; };

static struct abilities abilities_of(const struct speculation_cpu *c)
{
    return (struct abilities){
        .ibrs = HAS(c->leaf7d, IBRSB) || HAS(c->ext8b, IBRS),
        .stibp = HAS(c->leaf7d, STIBP) || HAS(c->ext8b, AMD_STIBP),
        .ssbd = HAS(c->leaf7d, SSBD) || HAS(c->ext8b, AMD_SSBD),
        .psfd = HAS(c->leaf7_2d, INTEL_PSFD) || HAS(c->ext8b, PSFD),
        .bhi_dis = HAS(c->leaf7_2d, BHI_CTRL),
        .ibpb = HAS(c->leaf7d, IBRSB) || HAS(c->ext8b, IBPB),
    };
}

/* Where a RET whose buffer has run empty asks the branch target buffer: retpolines alone do not help (Retbleed). */
static bool is_skylake(const struct speculation_cpu *c)
{
    static const u8 models[] = { 0x4e, 0x55, 0x5e, 0x66, 0x8e, 0x9e, 0xa5, 0xa6 };

    return c->intel && c->family == 6 && memchr(models, (int)c->model, sizeof(models)) && c->model <= 0xff;
}

/* A CPU that does not say it is free of a flaw has it, but for AMD's, which never had Intel's. */
static void find_flaws(const struct speculation_cpu *c, struct speculation *s)
{
    s->meltdown = s->l1tf = !c->amd && !CAP(c, RDCL_NO);
    s->mds = !c->amd && !CAP(c, MDS_NO);
    s->taa = !c->amd && HAS(c->leaf7b, RTM) && !CAP(c, TAA_NO);
    s->mmio = CAP(c, FB_CLEAR) && !(CAP(c, SBDR_SSDP_NO) && CAP(c, FBSDP_NO) && CAP(c, PSDP_NO));
    s->rfds = CAP(c, RFDS_CLEAR) && !CAP(c, RFDS_NO);
    s->tsa = c->amd && HAS(c->ext21a, VERW_CLEAR) && !(HAS(c->ext21c, TSA_SQ_NO) && HAS(c->ext21c, TSA_L1_NO));
    s->ssb = !CAP(c, INTEL_SSB_NO) && !HAS(c->ext8b, SSB_NO);
    s->btc = c->amd && c->family >= 0x15 && c->family <= 0x18 && !HAS(c->ext8b, BTC_NO);
    s->srso = c->amd && c->family >= 0x17 && c->family <= 0x19 && !HAS(c->ext21a, SRSO_NO);
    s->rsb_underflow = CAP(c, RSBA) || CAP(c, RRSBA) || is_skylake(c);
}

/* --- defaults --- */

struct wishes { bool ibrs, ssbd, psfd, bhi_dis, msr_sc, rsb, verw, ibpb_entry, ibpb; enum speculation_thunk thunk; };

static bool verw_clears(const struct speculation_cpu *c, const struct speculation *s)
{
    return (HAS(c->leaf7d, MD_CLEAR) && (s->mds || s->taa)) || s->mmio || s->rfds || s->tsa;
}

static struct wishes default_wishes(const struct speculation_cpu *c, const struct speculation *s)
{
    return (struct wishes){
        .thunk = THUNK_RETPOLINE,
        .ibrs = s->rsb_underflow || CAP(c, EIBRS) || HAS(c->ext21a, AUTO_IBRS),
        .bhi_dis = !CAP(c, BHI_NO),
        .msr_sc = true,
        .rsb = !c->smep, /* with SMEP a return address of a guest's leads nowhere */
        .verw = verw_clears(c, s),
        .ibpb_entry = s->btc || s->srso,
        .ibpb = true,
    };
}

/* --- words --- */

/* One word of a comma list, with its value if it has one. */
struct word { char name[24]; const char *text, *value; size_t length, value_length; bool no; };

static const char *word_next(const char *list, struct word *w)
{
    size_t length = 0, name = 0;

    while (list[length] && list[length] != ',')
        length++;
    *w = (struct word){ .text = list, .length = length };
    if (length > 3 && !strncmp(list, "no-", 3)) {
        w->no = true;
        name = 3;
    }
    for (size_t n = 0; name < length && list[name] != '=' && n < sizeof(w->name) - 1; name++)
        w->name[n++] = list[name];
    if (name < length && list[name] == '=') {
        w->value = list + name + 1;
        w->value_length = length - name - 1;
    }
    return list[length] ? list + length + 1 : NULL;
}

static bool text_is(const char *text, size_t length, const char *what)
{
    return strlen(what) == length && !strncmp(text, what, length);
}

/* 1, 0, or -1 for what is neither. */
static int bool_of(const char *text, size_t length)
{
    static const char *const yes[] = { "1", "on", "yes", "true", "enable" };
    static const char *const no[] = { "0", "off", "no", "false", "disable" };

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
        if (text_is(text, length, yes[i]))
            return 1;
    for (size_t i = 0; i < ARRAY_SIZE(no); i++)
        if (text_is(text, length, no[i]))
            return 0;
    return -1;
}

/* The word's boolean: name, no-name, name=yes, name=no; -1 for another value. */
static int word_bool(const struct word *w)
{
    int b = w->value ? bool_of(w->value, w->value_length) : 1;

    return b < 0 ? -1 : b ^ (int)w->no;
}

/* The same for what may be asked for each kind of guest: name=pv, name=no-pv, name=pv=no too. */
static int word_bool_pv(const struct word *w)
{
    const char *v = w->value;
    size_t n = w->value_length;

    if (v && n >= 3 && text_is(v, 3, "pv="))
        return bool_of(v + 3, n - 3);
    if (v && text_is(v, n, "pv"))
        return !w->no;
    if (v && text_is(v, n, "no-pv"))
        return 0;
    return word_bool(w);
}

static bool thunk_word(const struct word *w, struct wishes *x)
{
    static const char *const names[] = {
        [THUNK_RETPOLINE] = "retpoline", [THUNK_LFENCE] = "lfence", [THUNK_JMP] = "jmp",
    };

    for (size_t i = 0; w->value && i < ARRAY_SIZE(names); i++) {
        if (text_is(w->value, w->value_length, names[i])) {
            x->thunk = (enum speculation_thunk)i;
            return true;
        }
    }
    return false;
}

static void all_off(struct wishes *x)
{
    *x = (struct wishes){ .thunk = THUNK_JMP };
}

/* All that is done for PV guests at entries and exits. */
static void entries_set(struct wishes *x, bool on)
{
    x->msr_sc = x->rsb = x->verw = x->ibpb_entry = on;
}

/* Xen's words for what is not there: it concerns hardware guests, or is not built. */
static bool word_is_foreign(const char *name)
{
    static const char *const foreign[] = {
        "hvm", "bhb-entry", "bhb-seq", "eager-fpu", "l1d-flush", "branch-harden", "srb-lock", "unpriv-mmio",
        "gds-mit", "div-scrub", "lock-harden", "bp-spec-reduce", "stibp",
    };

    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
        if (!strcmp(name, foreign[i]))
            return true;
    return false;
}

static bool spec_ctrl_word(const struct word *w, struct wishes *x)
{
    const struct { const char *name; bool *wish, per_guest; } booleans[] = {
        { "ibrs", &x->ibrs, false }, { "ssbd", &x->ssbd, false }, { "psfd", &x->psfd, false },
        { "bhi-dis-s", &x->bhi_dis, false }, { "ibpb", &x->ibpb, false }, { "msr-sc", &x->msr_sc, true },
        { "rsb", &x->rsb, true }, { "verw", &x->verw, true }, { "md-clear", &x->verw, true },
        { "ibpb-entry", &x->ibpb_entry, true },
    };
    int b;

    if (!strcmp(w->name, "bti-thunk"))
        return thunk_word(w, x);
    if (!w->value && !w->no && !bool_of(w->name, strlen(w->name))) {
        all_off(x);
        return true;
    }
    if (!strcmp(w->name, "xen") || !strcmp(w->name, "pv")) {
        b = word_bool(w);
        if (!b && w->name[0] == 'x')
            all_off(x);
        else if (b >= 0)
            entries_set(x, b);
        return b >= 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(booleans); i++) {
        if (strcmp(w->name, booleans[i].name))
            continue;
        b = booleans[i].per_guest ? word_bool_pv(w) : word_bool(w);
        if (b >= 0)
            *booleans[i].wish = b;
        return b >= 0;
    }
    return false;
}

static void spec_ctrl_words(const char *list, struct wishes *x)
{
    struct word w;

    while (list && *list) {
        list = word_next(list, &w);
        if (spec_ctrl_word(&w, x))
            continue;
        if (word_is_foreign(w.name))
            log_warn("Command line: spec-ctrl=%s: there is no such thing here\n", w.name);
        else
            log_warn("Command line: spec-ctrl: '%.*s' is not understood\n", (int)w.length, w.text);
    }
}

/* xpti= and pv-l1tf=: a boolean, or one for domain 0 and one for the others. */
static void per_domain_words(const char *option, const char *list, bool *dom0, bool *domu)
{
    struct word w;

    while (list && *list) {
        int b;

        list = word_next(list, &w);
        b = word_bool(&w);
        if (!strcmp(w.name, "dom0") && b >= 0) {
            *dom0 = b;
        } else if (!strcmp(w.name, "domu") && b >= 0) {
            *domu = b;
        } else if (!w.value && !w.no && bool_of(w.name, strlen(w.name)) >= 0) {
            *dom0 = *domu = bool_of(w.name, strlen(w.name));
        } else if (strcmp(w.name, "default")) {
            log_warn("Command line: %s: '%.*s' is not understood\n", option, (int)w.length, w.text);
        }
    }
}

/* --- the decision --- */

static u32 spec_ctrl_value(const struct abilities *a, const struct wishes *x)
{
    u32 value = 0;

    value |= a->ibrs && x->ibrs ? SPEC_CTRL_IBRS : 0;
    value |= a->stibp && a->ibrs && x->ibrs ? SPEC_CTRL_STIBP : 0;
    value |= a->ssbd && x->ssbd ? SPEC_CTRL_SSBD : 0;
    value |= a->psfd && x->psfd ? SPEC_CTRL_PSFD : 0;
    value |= a->bhi_dis && x->bhi_dis ? SPEC_CTRL_BHI_DIS_S : 0;
    return value;
}

void speculation_decide(const struct speculation_cpu *cpu, const struct speculation_words *words,
                        struct speculation *s)
{
    struct abilities a = abilities_of(cpu);
    struct wishes x;
    bool none;

    *s = (struct speculation){ 0 };
    find_flaws(cpu, s);
    x = default_wishes(cpu, s);
    spec_ctrl_words(words->spec_ctrl, &x);
    none = words->spec_ctrl && !bool_of(words->spec_ctrl, strlen(words->spec_ctrl));

    s->thunk = x.thunk;
    s->auto_ibrs = x.ibrs && HAS(cpu->ext21a, AUTO_IBRS);
    s->spec_ctrl = x.msr_sc ? spec_ctrl_value(&a, &x) : 0;
    s->switch_spec_ctrl = s->spec_ctrl != 0;
    s->rsb = x.rsb;
    s->verw = x.verw; /* the instruction is there on every CPU; asked for, it is done */
    s->ibpb_entry = x.ibpb_entry && a.ibpb;
    s->ibpb_switch = x.ibpb && a.ibpb;
    s->xpti_dom0 = s->xpti_domu = s->meltdown && !none;
    per_domain_words("xpti", words->xpti, &s->xpti_dom0, &s->xpti_domu);
    s->l1tf_domu = s->l1tf && !none;
    per_domain_words("pv-l1tf", words->pv_l1tf, &s->l1tf_dom0, &s->l1tf_domu);
}

/* --- the log --- */

static const char *affected(bool flaw)
{
    return flaw ? "affected" : "not affected";
}

static const char *for_domains(bool dom0, bool domu)
{
    return dom0 ? domu ? "all domains" : "domain 0 only" : domu ? "all but domain 0" : "off";
}

void speculation_report(const struct speculation *s)
{
    static const char *const thunks[] = { "retpoline", "lfence", "jmp" };

    log_info("CPU flaws: Spectre v1: indexes of guests are masked\n");
    log_info("CPU flaws: Spectre v2: thunks %s%s%s%s%s%s%s\n", thunks[s->thunk],
             s->spec_ctrl & SPEC_CTRL_IBRS ? ", IBRS" : "", s->auto_ibrs ? ", automatic IBRS" : "",
             s->spec_ctrl & SPEC_CTRL_BHI_DIS_S ? ", BHI_DIS_S" : "", s->rsb ? ", RSB filled" : "",
             s->ibpb_entry ? ", IBPB at entry" : "", s->ibpb_switch ? ", IBPB between domains" : "");
    log_info("CPU flaws: Meltdown: %s; separate page tables (xpti): %s\n", affected(s->meltdown),
             for_domains(s->xpti_dom0, s->xpti_domu));
    log_info("CPU flaws: L1TF: %s; absent entries that point to RAM are refused (pv-l1tf): %s\n", affected(s->l1tf),
             for_domains(s->l1tf_dom0, s->l1tf_domu));
    log_info("CPU flaws: MDS %s, TAA %s, MMIO %s, RFDS %s, TSA %s; VERW at return to guests: %s\n", affected(s->mds),
             affected(s->taa), affected(s->mmio), affected(s->rfds), affected(s->tsa), s->verw ? "on" : "off");
    log_info("CPU flaws: SSB: %s; SSBD in the hypervisor: %s\n", affected(s->ssb),
             s->spec_ctrl & SPEC_CTRL_SSBD ? "on" : "off");
    log_info("CPU flaws: Retbleed: Intel's %s, AMD's %s; SRSO: %s\n", affected(s->rsb_underflow), affected(s->btc),
             affected(s->srso));
}
