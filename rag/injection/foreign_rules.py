"""The same for German, French, Spanish and Italian: orders to drop orders, and to tell the prompt. Accents are folded."""

# ruff: noqa: E501 - an expression is read in one piece
from rag.injection.findings import Code
from rag.injection.patterns import gap, rule

_ORDERS = (
    r"(?:anweisungen|instruktionen|richtlinien|regeln|vorgaben|instructions|consignes|regles|directives|instrucciones|reglas|"
    r"directrices|istruzioni|regole|direttive|linee guida)"
)
_ORDER_WORDS = (
    "anweisungen instruktionen richtlinien regeln vorgaben instructions consignes regles directives instrucciones reglas "
    "directrices istruzioni regole direttive linee"
)
_PRIOR = (
    r"(?:alle|deine|ihre|vorherigen|vorigen|bisherigen|obigen|toutes|tes|vos|precedentes|todas|tus|sus|anteriores|previas|tutte|tue|"
    r"precedenti)"
)
_PROMPT = (
    r"(?:system-?prompts?|systemanweisung(?:en)?|prompt (?:systeme|de sistema|del sistema|di sistema)|instructions (?:systeme|initiales)|"
    r"instrucciones (?:del sistema|iniciales)|istruzioni (?:di sistema|iniziali))"
)

FOREIGN = (
    rule(
        Code.OVERRIDE,
        "drop_orders_foreign",
        rf"\b(?:ignorier(?:e|en)|vergiss|vergessen sie|missachte|ignorez|ignore|oubliez|oublie|ignora|ignoren|olvida|olvide|dimentica|dimenticate|ignorate) "
        rf"{gap(3)}(?:{_PRIOR} {gap(2)}{_ORDERS}|{_ORDERS} (?:precedentes|anteriores|previas|precedenti|oben))\b",
        _ORDER_WORDS,
    ),
    rule(
        Code.OVERRIDE,
        "new_orders_foreign",
        rf"\b(?:neue anweisungen|nouvelles instructions|nuevas instrucciones|nuove istruzioni) ?: ?{gap(4)}(?:du|gibst|vous|tu|ignore|ignora|revele|revela|rivela|"
        r"antworte|reponds|responde|rispondi)\b",
        _ORDER_WORDS,
    ),
    rule(
        Code.EXTRACTION,
        "tell_the_prompt_foreign",
        rf"\b(?:zeige?|verrate?|nenne|gib|revele[zr]?|montre[zr]?|affiche[zr]?|donne[zr]?|muestra|revela|dime|mostra|rivela|dimmi)\b[ -]{gap(4)}{_PROMPT}\b",
    ),
    rule(
        Code.ROLE,
        "no_limits_foreign",
        r"\b(?:du (?:bist|hast)|ab (?:jetzt|sofort)|antworte|vous etes|tu es|reponds|repondez|repondre|eres|estas|ahora|responde|responder|sei|rispondi|rispondere"
        rf")\b {gap(6)}(?:uneingeschrankt|keine regeln|keine richtlinien|ohne (?:einschrankungen|einschraenkungen|filter)|sans (?:restrictions?|filtre|limites)|sin "
        r"(?:restricciones|filtros?|limites)|senza (?:restrizioni|filtri|limiti))",
    ),
    rule(
        Code.MARKUP,
        "system_note_foreign",
        r"^[^\w\n]{0,4}(?:systemhinweis|systemmeldung|note systeme|nota del sistema|nota di sistema|message systeme) ?:",
    ),
)
