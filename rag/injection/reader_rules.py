"""Text that is meant for a program which reads documents: what to answer, to add, to call, to remember. English.

People ask each other for replies, too: "please include the order number in your reply" must not match.
"""

# ruff: noqa: E501 - an expression is read in one piece
from rag.injection.findings import Code
from rag.injection.patterns import gap, rule
from rag.injection.words import AI, AI_WORDS, ASSISTANT, REPLY, REPLY_WORDS, SAY

READER = (
    rule(
        Code.READER,
        "ai_must",
        rf"\b(?:{AI}|the assistant|assistants)\b,? {gap(8)}(?:must|should|shall|(?:are|is) (?:hereby )?(?:required|instructed|ordered) to|has "
        rf"to|have to) (?:now |always |also |not |never |first |only ){{0,2}}{SAY}\b",
        AI_WORDS,
        "must should shall to",
    ),
    rule(
        Code.READER,
        "note_to_ai",
        rf"\b(?:notes?|messages?|instructions?|attention|important|notice|reminder|hint)(?: to| for)?:? (?:the |any |all |our )?{ASSISTANT}\b"
        rf"(?: (?:assistant|model|system|agent)s?)?(?: {gap(5)}[^\s.!?]{{1,24}})? ?[:,-]",
        AI_WORDS,
        "note notes message messages instruction instructions attention important notice reminder hint",
    ),
    rule(
        Code.READER,
        "ai_reading_this",
        rf"\b(?:dear|hey|hello|attention) (?:{AI}|assistant)\b|\b{ASSISTANT} (?:that is |who is |which is )?(?:reading|processing|parsing|"
        rf"summari[sz]ing|reviewing|integrating) this\b|\b(?:if|as) you(?: are|'re) (?:an? |the )?{ASSISTANT}\b {gap(4)}(?:{SAY}|read|"
        r"process|review|summari[sz]|pars)",
        AI_WORDS,
    ),
    rule(
        Code.READER,
        "when_you_answer",
        r"\b(?:when|if|before|after|whenever|while|once) you (?:summari[sz]e|answer|process|read|review|respond to|reply to|translate|pars"
        rf"e|analy[sz]e) (?:this|the user|any question|the question|these documents|the above)\b,? {gap(8)}(?:must|{SAY}|also|always|instead|add|"
        r"insert|use)\b",
        "you",
    ),
    rule(
        Code.READER,
        "when_asked",
        rf"\b(?:when|if) (?:you are |you're )?(?:asked|summari[sz]ing|answering|processing|reading)\b {gap(10)}(?:always|instead|only) "
        r"(?:say|answer|reply|respond|output|tell|include|state)",
        "always instead only",
    ),
    rule(
        Code.READER,
        "add_to_every_answer",
        rf"\b(?:append|include|add|insert|write|output|put|mention|attach|appended|included|added|repeat) {gap(10)}(?:to|in|at|into|with) "
        rf"(?:the (?:very )?(?:end|beginning|start|top|bottom) of (?:your|every|each|all|any|the)|every|each|all|any|your(?: next| final)?) "
        rf"(?:future |subsequent |next )?{REPLY}\b(?<!your reply)(?<!your response)(?<!your answer)(?<!your message)(?<!your report)",
        REPLY_WORDS,
    ),
    rule(
        Code.READER,
        "end_of_your_answer",
        rf"\b(?:at the end|at the beginning|at the start|to the end) of (?:your|every|each|all|any) (?:future )?{REPLY}\b",
        "end beginning start",
    ),
    rule(
        Code.READER,
        "call_a_tool",
        rf"\b(?:call|use|invoke|run|execute) [a-z]{{2,20}}_[a-z_]{{2,30}}(?:\(\))? {gap(10)}(?:before (?:you (?:reply|respond|answer|continue)|respondin"
        r"g|replying|answering|continuing)|(?:send|forward|post|email|submit) (?:this|the|your|all)|this (?:summary|conversation|answer)|with "
        r"the (?:summary|conversation|answer) text|with admin)",
        "call use invoke run execute",
    ),
    rule(
        Code.READER,
        "say_this_instead",
        r"\binstead,? (?:only )?(?:print|output|say|write|reply|respond|answer)(?: only)?(?: with)?(?: the (?:text|word|words|phrase|sentence))?:? ?[\"']|"
        r"\b(?:print|say|output|reply with|respond with|answer with|write) (?:only|exactly|just)(?: with)?(?: the (?:text|word|words|phrase|sentence))?:? ?[\"']|"
        r"\bonly say:? ?[\"']",
        "instead only exactly just",
    ),
    rule(
        Code.READER,
        "decode_and_obey",
        rf"\b(?:decode|translate|decrypt|read|decoded) {gap(8)}(?:base64|base32|rot13|hex|binary|morse|cipher|it|string),? {gap(6)}(?:and |then ){{1,2}}(?:then )?"
        r"(?:follow|execute|obey|act on|run|comply|do (?:exactly )?what)",
        "base64 base32 rot13 hex binary morse cipher encoded",
        "follow execute obey act run comply do",
    ),
    rule(
        Code.READER,
        "write_your_answer_so",
        rf"\b(?:replace|use|convert|substitute|scramble|introduce|misspell|reverse|encode|anagram|rearrange|jumble|shift|translate|render|include|insert|add) {gap(5)}"
        rf"(?:letters?|vowels?|consonants?|emojis?|characters?|typos|misspellings|anagrams?|base64|cipher|caesar|spaces|symbols) {gap(6)}(?:in|of|throughout|with) your "
        rf"{REPLY}\b|\b(?:provide|render|write|present|give|deliver|encode) your (?:answer|reply|response|message) (?:in|using|with|as) (?:an? )?{gap(3)}(?:anagram|cipher|base64|"
        r"emojis?|misspell|substitution|reverse|morse|hex|binary|code\b|language\b)",
        REPLY_WORDS,
    ),
    rule(
        Code.READER,
        "keep_from_the_user",
        r"\b(?:do not|don't|never|without) (?:tell|telling|inform|informing|reveal(?:ing)? (?:this|it) to|mention(?:ing)? (?:this|it)(?: to)?|alert"
        r"(?:ing)?|notify(?:ing)?) (?:the user|that you (?:were|have been) (?:told|instructed))\b",
        "tell telling inform informing reveal revealing mention mentioning alert alerting notify notifying",
    ),
    rule(
        Code.READER,
        "remember_this",
        r"\b(?:save|store|commit|add) (?:this|the following|it) "
        rf"{gap(4)}(?:to|in|into) (?:your )?(?:long-term |persistent )?memory\b|\bremember (?:this )?for all future (?:tasks|conversations|replies)"
        r"|\bto your (?:long-term )?memory\b|\b(?:every|all) future (?:repl|response|summar|answer|conversation|task)",
        "memory future",
    ),
    rule(
        Code.READER,
        "only_these_words",
        r"\b(?:reply|respond|answer|output|say|print|return|write)(?: back)?(?: only| just| exactly)?(?: with)?(?: only| just)? "
        rf"{gap(8)}(?:and nothing else|and only that|instead of (?:answering|summari[sz]ing|the summary))\b|\bonly (?:respond|reply|answer) with "
        r"(?:\"|'|the (?:word|phrase|text|string))|\bdo(?: not|n't) (?:say|output|write) any ?thing (?:else|other)\b",
        "nothing only instead else other",
    ),
)
