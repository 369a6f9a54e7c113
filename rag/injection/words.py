"""Parts that several rules share: expressions, and the words of which a text must have one before they are tried."""

# ruff: noqa: E501 - an expression is read in one piece
# Not an order: it is forbidden, or told of somebody.
TOLD = r"(?<!not )(?<!never )(?<!n't )(?<!who )(?<!they )(?<!we )(?<!people )(?<!cannot )"

DROP = (
    r"(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|override|overriding|bypass(?:ing)?|overlook|dismiss|discard|"
    r"abandon|omit|neglect|skip|stop (?:following|obeying)|do(?: not|n't) (?:follow|obey))"
)
DROP_WORDS = (
    "ignore ignoring disregard disregarding forget forgetting override overriding bypass bypassing overlook dismiss "
    "discard abandon omit neglect skip following obeying follow obey"
)
PRIOR = (
    r"(?:previous(?:ly)?|prior|above|earlier|preceding|foregoing|past|former|your|system|developers?'?s?|operators?'?s?|"
    r"original|initial|existing|current|all|any|every|everything)"
)
FILL = (
    r"(?:(?:the|of|these|those|its|my|user's|user|other|and|given|safety|ethical|content|security|default|set|internal|"
    r"message|confidentiality),? )"
)
ORDERS = (
    r"(?:instructions?|directions?|directives?|prompts?|rules?|guidelines?|guardrails?|polic(?:y|ies)|restrictions?|"
    r"programming|training|constraints?|protocols?|commands?)"
)
ORDER_WORDS = (
    "instruction instructions direction directions directive directives prompt prompts rule rules guideline guidelines "
    "guardrail guardrails policy policies restriction restrictions programming training constraint constraints protocol "
    "protocols command commands"
)
AI = r"(?:ai(?: (?:assistant|agent|model|system|reader|coding agent)s?)?|a\.i\.|language models?|llms?|chatbots?|copilots?|(?:chat)?gpt|bots?)"
ASSISTANT = rf"(?:{AI}|assistants?|summari[sz]ers?)"
AI_WORDS = (
    "ai llm llms model models chatbot chatbots copilot copilots gpt chatgpt bot bots assistant assistants summarizer "
    "summariser summarizers summarisers"
)
SAY = (
    r"(?:ignore|reveal|disclose|say|tell|answer|reply|respond|include|output|print|send|recommend|repeat|state|append|"
    r"forward|disregard|comply|obey|call|execute|mention|begin|write|email)"
)
TELL = (
    r"(?:reveal(?:ing)?|print(?:ing)?|repeat|output|disclos(?:e|ing)|show|display|tell|give|share|dump|leak|translate|"
    r"recite|list|quote|paste|expose|provide|write|return|echo|summari[sz]e|copy|describe|send|publish|encode|access|"
    r"extract|spell|expand)"
)
TELL_WORDS = (
    "reveal revealing print printing repeat output disclose disclosing show display tell give share dump leak translate "
    "recite list quote paste expose provide write return echo summarize summarise copy describe send publish encode "
    "access extract spell expand"
)
LIMITS = (
    r"(?:restrictions?|rules|limits?|limitations?|filters?|filtering|guidelines|censorship|content polic(?:y|ies)|"
    r"guardrails|constraints|ethics|ethical (?:guidelines|constraints)|safety (?:guidelines|filters|restrictions))"
)
LIMIT_WORDS = (
    "restriction restrictions rules limit limits limitation limitations filter filters filtering guidelines censorship "
    "policy policies guardrails constraints ethics"
)
UNBOUND = r"(?:unrestricted|uncensored|unfiltered|jailbroken|jailbreak|amoral|evil)"
UNBOUND_WORDS = "unrestricted uncensored unfiltered jailbroken jailbreak amoral evil"
REPLY = r"(?:answers?|repl(?:y|ies)|responses?|summar(?:y|ies)|outputs?|reports?|reviews?|messages?)"
REPLY_WORDS = (
    "answer answers reply replies response responses summary summaries output outputs report reports review reviews"
)
