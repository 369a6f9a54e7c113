"""Orders to drop orders, and to be somebody else. English.

What people write to people must not match: "ignore my previous e-mail", "act as a guide", "override the default". So
nearly every rule asks for two things together. Tuned on development parts only: `ringfence eval injection` says which.
"""

# ruff: noqa: E501 - an expression is read in one piece
from rag.injection.findings import Code
from rag.injection.patterns import gap, rule
from rag.injection.words import (
    ASSISTANT,
    DROP,
    DROP_WORDS,
    FILL,
    LIMIT_WORDS,
    LIMITS,
    ORDER_WORDS,
    ORDERS,
    PRIOR,
    SAY,
    TOLD,
    UNBOUND,
    UNBOUND_WORDS,
)

OVERRIDE = (
    rule(
        Code.OVERRIDE,
        "drop_prior_orders",
        rf"{TOLD}\b{DROP} {FILL}{{0,4}}(?:{PRIOR},? {FILL}{{0,3}}){{1,4}}{ORDERS}\b",
        DROP_WORDS,
        ORDER_WORDS,
    ),
    rule(
        Code.OVERRIDE,
        "drop_orders_above",
        rf"{TOLD}\b{DROP} {FILL}{{0,4}}{ORDERS} {gap(3)}(?:above|before|so far|you (?:have|were|got|received))\b",
        DROP_WORDS,
        ORDER_WORDS,
    ),
    rule(
        Code.OVERRIDE,
        "drop_everything_above",
        rf"{TOLD}\b(?:ignore|disregard|forget|omit|dismiss) (?:about )?(?:everything|anything|whatever|all|what|the)"
        r"(?: of)?(?: the)?(?: else)?(?: (?:text|content|words|things|messages?|conversation))?(?: (?:that|which))?(?: is| was|"
        r" has been| came)?(?: (?:written|said|stated))? (?:above|before (?:this|that|now)|previously|prior to this|"
        r"you (?:have been|were|'ve been|just) (?:told|given|instructed)|you know about|i (?:said|told you)|"
        r"we (?:discussed|talked about))\b|\b(?:ignore|disregard|forget) (?:(?:everything|all|the text) )?(?:above|before)(?: and|[.,:;]|$)",
        "ignore disregard forget omit dismiss",
    ),
    rule(
        Code.OVERRIDE,
        "drop_the_task",
        rf"{TOLD}\b(?:ignore|disregard|forget|abandon|do not (?:do|perform|follow)) (?:the |this |your |my |any )"
        r"(?:user|original|summari[sz]ation|user's|current|actual|previous)(?:'s)?(?: own)?(?: (?:request|task|question|query|"
        r"message|goal))?(?:[.,;:]| and| instead)",
        "ignore disregard forget abandon do",
    ),
    rule(
        Code.OVERRIDE,
        "new_orders",
        r"\byour (?:new|real|actual|true|updated|only) (?:instructions?|directives?|task|goal|objective|mission|rules?|"
        r"role|purpose|orders?) (?:is|are|supersedes?|will be|:)|\byour (?:rules|instructions|guidelines) have (?:been )?"
        r"(?:changed|updated|replaced)\b",
        "your",
    ),
    rule(
        Code.OVERRIDE,
        "new_orders_follow",
        rf"(?:^|[\]\[(*#:>.-] ?)(?:new|updated|real|actual|important|admin|system|user|hidden|additional|injected|secret)"
        rf"(?: (?:new|system|user))? (?:instructions?|directives?|commands?|orders?|override|injection)(?: begin here)?"
        rf" ?[:\])-]{{1,4}} ?{gap(6)}(?:{SAY}|you|forget|comply|delete|grant|this user|from now on)\b",
        "instruction instructions directive directives command commands order orders override injection",
    ),
    rule(Code.OVERRIDE, "important_new_orders", r"\bimportant new instructions ?[*:!]", "instructions"),
    rule(
        Code.OVERRIDE,
        "skip_safety",
        r"\b(?:skip|bypass|ignore|ignoring|disable|suspend) (?:all |any |these |those |your |the ){1,3}(?:safety (?:checks?|features?|"
        r"protections?|filters?|rules) (?:and|for the rest|in this|now|,)|safety checks and|restrictions\b)",
        "skip bypass ignore ignoring disable suspend",
    ),
    rule(
        Code.OVERRIDE,
        "orders_are_void",
        r"\b(?:previous|prior|earlier|above|preceding|developer|system|initial|original|old) (?:system )?(?:instructions|"
        r"prompts?|directives|messages|rules) (?:in this session )?(?:no longer apply|do not apply|don't apply|are (?:now )?"
        r"(?:void|cancell?ed|obsolete|invalid|revoked|compromised|null))\b",
        "instructions prompt prompts directives messages rules",
    ),
    rule(
        Code.OVERRIDE,
        "safety_off",
        r"\b(?:disable|bypass|deactivate|turn off|switch off|remove|skip|override|ignore|without) (?:all |any |your |the |its ){0,4}"
        r"(?:content (?:filter|polic|moderation|restriction)|ethical (?:guideline|constraint|filter|restriction)|"
        r"(?:ai |your )safety (?:guideline|filter|feature|polic|protocol|rule|restriction|check)|restrictions and)|"
        r"\boverride: ?safety|\bsafety (?:protocols|filters|mode|guidelines|restrictions) (?:are |is |now )?(?:disabled|off|"
        r"deactivated|bypassed)[.,:]? (?:proceed|respond|now|answer|you)",
        "content ethical safety restrictions",
    ),
    rule(
        Code.OVERRIDE,
        "no_limits",
        rf"\b(?:you|ai|assistant|model|dan|it) (?:now |will |shall |must )?(?:have|has|operate with|operates with|no longer have|"
        rf"are free (?:of|from)|are not bound by|is not bound by) (?:no |any |all )?(?:content |ethical |safety |moral )?{LIMITS}\b|"
        rf"\b(?:answer|respond|reply|output|comply|speak|proceed|operate|act|behave) {gap(5)}without (?:any )?{LIMITS}\b",
        LIMIT_WORDS,
    ),
    rule(
        Code.OVERRIDE,
        "assistant_without_limits",
        rf"\b{ASSISTANT} with (?:no|absolutely no|zero) (?:content |ethical |safety )?{LIMITS}\b|\bi have no (?:content |ethical |safety )?"
        r"restrictions\b",
        LIMIT_WORDS,
    ),
)

ROLE = (
    rule(
        Code.ROLE,
        "you_are_now",
        rf"\byou(?: are|'re) (?:now|hereby) (?:acting as |going to be |in |called |named )?(?:an? |the )?(?:new )?(?:{UNBOUND}|dan\b|"
        rf"(?:developer|debug|god|admin|root|sudo|maintenance) mode|{ASSISTANT}\b|system administrator|hacker|free (?:of|from))",
        "now hereby",
    ),
    rule(
        Code.ROLE,
        "you_are_no_longer",
        rf"\byou are no longer (?:an? |the |bound |restricted |limited ){gap(2)}(?:{ASSISTANT}\b|by\b|to\b)",
        "longer",
    ),
    rule(
        Code.ROLE,
        "unbound_mode",
        rf"\b(?:{UNBOUND}|dan|god|do anything now) mode\b|\bin (?:developer|debug) mode,? you\b|"
        r"\benter(?:ing)? (?:developer|debug) mode and\b|\b(?:developer|debug) mode (?:enabled|activated|on|unlocked)\b",
        "mode",
    ),
    rule(
        Code.ROLE,
        "pretend_unbound",
        rf"\b(?:pretend|act|behave|respond|imagine|role-?play|simulate|become|speak|be) {gap(6)}(?:{UNBOUND}|(?:with(?:out)?|has|have|had) "
        rf"(?:no |any |absolutely no )?(?:content |ethical |moral |legal or |safety ){{0,3}}{LIMITS}|not bound by|no longer bound by|"
        r"free (?:of|from) (?:all |any )?(?:rules|restrictions|limits|constraints))",
        f"{LIMIT_WORDS} {UNBOUND_WORDS} bound free",
    ),
    rule(Code.ROLE, "do_anything_now", r"\bdo anything now\b|\byou are (?:now )?dan,", "dan anything"),
    rule(
        Code.ROLE,
        "from_now_on",
        r"\bfrom (?:now|this (?:point|moment)) (?:on|onwards?|forward),? (?:you (?:are (?:an?|the|my|going)|will act|will behave|have no|"
        r"ignore|obey|(?:must|will|should|shall) (?:ignore|obey|comply with every|answer (?:every|any|all)|only|always) ?)|act as|"
        r"ignore|respond (?:as|with|only)|answer (?:as|with|only|every)|speak (?:as|like))",
        "from",
    ),
    rule(
        Code.ROLE,
        "forget_who_you_are",
        rf"\bforget (?:that )?you(?: are|'re) (?:an? |the )?{gap(1)}{ASSISTANT}\b",
        "forget",
    ),
)
