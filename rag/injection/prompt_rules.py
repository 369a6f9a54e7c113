"""Asking for the prompt, sending things out, and imitating the form of a prompt. English; addresses in any language."""

# ruff: noqa: E501 - an expression is read in one piece
from rag.injection.findings import Code
from rag.injection.patterns import gap, rule
from rag.injection.words import SAY, TELL, TELL_WORDS

EXTRACTION = (
    rule(
        Code.EXTRACTION,
        "tell_the_prompt",
        rf"\b{TELL} {gap(7)}(?:your|its|the|system) {gap(3)}(?:system prompts?|system instructions|hidden (?:instructions|prompts?)|"
        r"initial (?:instructions|prompts?)|original (?:instructions|prompts?)|internal (?:instructions|prompts?)|secret "
        r"(?:instructions|prompts?)|pre-?prompt|context window|prompt (?:above|verbatim|word for word|instructions))\b",
        TELL_WORDS,
        "prompt prompts instructions preprompt window",
    ),
    rule(
        Code.EXTRACTION,
        "tell_your_prompt",
        rf"\b(?:{TELL}|format|include|including) {gap(6)}your (?:full |entire |own |exact |complete |current |system |secret |hidden ){{0,4}}"
        r"(?:prompts?\b|system (?:prompt|message|config)|system-prompt|instructions (?:verbatim|word for word|in|as|above|to me)|"
        r"(?:confidential |custom |initial )(?:instructions|directives))",
        "prompt prompts message instructions config directives",
    ),
    rule(
        Code.EXTRACTION,
        "orders_you_were_given",
        r"\b(?:instructions|prompt|rules|guidelines|directives) (?:that )?(?:you(?:'ve| have| were| are| had| got)(?: been)? "
        r"(?:given|told|operating under|programmed with|following|provided)|you (?:follow|received|operate under)|(?:given|provided) to you)\b",
        "instructions prompt rules guidelines directives",
        "you",
    ),
    rule(
        Code.EXTRACTION,
        "what_is_your_prompt",
        r"\b(?:what(?:'s| is| are| was| were)|where is|how does) (?:in )?your (?:current |full |exact )?(?:system|original|initial|hidden|exact|"
        r"internal|secret|first) (?:prompts?|instructions?|messages?|directives?|rules?)\b",
        "your",
    ),
    rule(
        Code.EXTRACTION,
        "text_above",
        r"\b(?:repeat|print|output|copy|recite|return|show|write) (?:me )?(?:back )?(?:all )?(?:of )?(?:the |every)?(?:exact )?(?:words?|text|"
        r"everything|content|lines?|sentences?|thing) (?:written )?(?:above|before (?:this|the)|that (?:came|comes) before)\b|"
        r"\bwords above starting with\b|\bwhat was written above\b",
        "above before",
    ),
    rule(
        Code.EXTRACTION,
        "my_prompt_is",
        r"\bmy (?:system prompt|hidden prompt|instructions) (?:is|are|say|says|begins?|starts?)\b[^.\n]{0,20}(?:_{2}|\.{3}|:)|"
        r"\bprinting the full system prompt\b|\bthe complete text of the prompt\b",
        "prompt instructions",
    ),
)

EXFILTRATION = (
    rule(
        Code.EXFILTRATION,
        "image_with_a_slot",
        r"!?\[[^\]\n]{0,120}\]\( ?https?://[^)\s]{0,200}?(?:=|/)(?:\{|\$|<|%7b|\[|\+)",
        "http https",
    ),
    rule(
        Code.EXFILTRATION,
        "image_of_a_collector",
        r"!\[[^\]\n]{0,120}\]\( ?https?://[^)\s]{0,200}?[?&](?:data|leak|exfil|secrets?|payload|conversation|history|prompt|chat|stolen|context|"
        r"user_?data)=",
        "http https",
    ),
    rule(
        Code.EXFILTRATION,
        "address_with_a_slot",
        r"https?://[^\s)\"']{0,200}[?&/][a-z_-]{0,30}=?(?:\{\{?|\[|<)(?:the |your |user'?s? |all |insert )?(?:data|secrets?|conversation|chat|history|prompt|"
        r"context|summary|answer|user|email|password|token|api_?key|api key|base64|encoded|content|query|info)",
        "http https",
    ),
    rule(
        Code.EXFILTRATION,
        "send_what_you_know",
        rf"\b(?:send|email|e-mail|forward|post|upload|transmit|exfiltrate|leak|submit|copy|append|encode|put) {gap(6)}(?:conversation|chat history|system "
        r"prompt|user'?s? (?:data|query|question|message|password|private information)|credentials|passwords|api keys?|secrets|environment variables|this "
        rf"summary|the summary|your (?:answer|context|response)|previous messages) {gap(6)}(?:to|as|in|into|at|via) {gap(2)}(?:https?:|\S{{1,64}}@\S|the (?:url|link|"
        r"query|webhook)|attacker|external|a query)",
        "send email mail forward post upload transmit exfiltrate leak submit copy append encode put",
    ),
    rule(
        Code.EXFILTRATION,
        "show_an_image_of",
        rf"\b(?:render|display|include|embed|insert|show|add|output|append) {gap(4)}(?:image|link|pixel|url|markdown) {gap(8)}https?://",
        "image link pixel url markdown",
        "http https",
    ),
)

MARKUP = (
    rule(
        Code.MARKUP,
        "chat_tokens",
        r"<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|eot_id|begin_of_text|start_header_id|end_header_id|endofprompt)\|>|\[/?inst\]|"
        r"<</?sys>>|<(?:start|end)_of_turn>|\[/?system_prompt\]",
    ),
    rule(
        Code.MARKUP,
        "speaker_system",
        r"(?:^|[-#*\]>] ?|\\n)[#*\[(< ]{0,4}(?:system|assistant|developer)(?: (?:prompt|message|note|notice|override|update|instruction|alert))?[\])>*]{0,3} ?:[* ]{0,3}"
        r"(?:you (?:are|must|may|will|have|can|should)|ignore|disregard|the user (?:is|has|was)|new instruction|override|from now on|before you|"
        r"grant |sure, here|cleanup required|forget|reveal|always)",
        "system assistant developer",
    ),
    rule(
        Code.MARKUP,
        "bracketed_system",
        rf"[\[({{<](?:system|admin|root|sudo|developer|inject|system injection|system instruction|system message|system override)(?:[:\])}}>]|_override) ?:? ?"
        rf"{gap(4)}(?:{SAY}|you|new|forget|delete|grant|disable|override|from now on)",
        "system admin root sudo developer inject",
    ),
    rule(
        Code.MARKUP,
        "note_of_the_system",
        rf"\b(?:system|admin|processing) (?:note|notice|message|override|update|instruction|alert): {gap(8)}(?:you (?:must|answer|reply|respond|are|now)|your (?:"
        r"rules|answer|reply|response|summary)|append|forget|ignore|disregard|before you)\b",
        "system admin processing",
    ),
    rule(
        Code.MARKUP,
        "end_of_prompt",
        r"[-=#*<\[]{2,8} ?(?:/ ?)?end (?:of )?(?:the )?(?:system prompt|user input|prompt|system message|context|instructions|system|user query|untrusted|passages?)\b|"
        r"[-=#*]{3,8} ?end of (?:the )?document ?[-=#*]{0,80}\s{1,3}\[?(?:system|new|instruction|assistant)",
        "end",
    ),
    rule(
        Code.MARKUP,
        "system_message_object",
        r"\"role\" ?: ?\"system\"[ ,;:]{1,6}\"content\"[ :]{1,4}\"[^\"\n]{0,80}(?:ignore|disregard|disable|override|you are now|no restrictions)",
        "role",
    ),
    rule(
        Code.MARKUP,
        "prompt_headings",
        r"^#{2,4} ?(?:instruction|system|assistant|human|response) ?:\s",
        "instruction system assistant human response",
    ),
)
