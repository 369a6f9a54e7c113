"""The forms of secrets: keys, tokens and passwords.

Our own patterns: detect-secrets, the library known for this, had its last release in May 2024, keeps its plugins in
global state and looks at lines of source code, where ours has to find a password in a sentence.
"""

from rag.privacy.form import form

_BASE64 = r"[A-Za-z0-9+/=]"
_START = r"(?<![A-Za-z0-9])"
_SAID_BEFORE = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|secret(?:[ _-]?key)?|api[ _-]?key|access[ _-]?(?:key|token)"
    r"|auth[ _-]?token|client[ _-]?secret|bearer|token|pin[ _-]?code)"
)
_SAID_HINTS = ("pass", "pwd", "secret", "key", "token", "bearer", "pin")
_SAID_AFTER = r"[\"'`]?(?P<value>[^\s\"'`,;|<>]{4,200})"


def _is_secret(value: str) -> bool:
    """`password: hunter2` is one, `password: must be long` is not."""
    return not value.rstrip(".").isalpha() or not (value.islower() or value.istitle())


def _has_digit(value: str) -> bool:
    return any(map(str.isdigit, value))


_ABOUT_PASSWORDS = frozenset(
    ("required", "optional", "hidden", "masked", "redacted", "expired", "changed", "string", "unchanged", "default")
)


def _is_word_secret(value: str) -> bool:
    return value.casefold() not in _ABOUT_PASSWORDS


SECRETS = (
    form(
        "SECRET",
        1.0,
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[A-Za-z0-9+/=\s:,.\\-]{0,20000}?-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        rf"|\s*(?:{_BASE64}{{20,}}\s*)+)",
        rf"{_START}(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{{16}}(?![A-Za-z0-9])",
        rf"{_START}(?:sk|pk|rk)[-_](?:live|test|proj|ant|or)?[-_]?[A-Za-z0-9_-]{{16,200}}",
        rf"{_START}(?:gh[pousr]_[A-Za-z0-9]{{30,255}}|github_pat_[A-Za-z0-9_]{{22,255}}|glpat-[A-Za-z0-9_-]{{20,64}})",
        rf"{_START}(?:xox[abeprs]-[A-Za-z0-9-]{{10,255}}|AIza[A-Za-z0-9_-]{{35}}|hf_[A-Za-z0-9]{{30,64}})",
        # One provider each: what they document as the beginning of their keys.
        rf"{_START}(?:npm_[A-Za-z0-9]{{36}}|pypi-[A-Za-z0-9_-]{{50,250}}|dop_v1_[a-f0-9]{{64}}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{{32}})",
        rf"{_START}(?:SG\.[A-Za-z0-9_-]{{16,32}}\.[A-Za-z0-9_-]{{16,64}}|(?:AC|SK)[a-f0-9]{{32}}|key-[a-f0-9]{{32}})(?![A-Za-z0-9])",
        rf"{_START}(?:ya29\.[A-Za-z0-9_-]{{20,250}}|GOCSPX-[A-Za-z0-9_-]{{20,40}}|[0-9]{{8,10}}:AA[A-Za-z0-9_-]{{33}})",
        r"https://hooks\.slack\.com/services/[A-Za-z0-9/]{20,100}",
        r"(?:AccountKey|SharedAccessKey|sig)=(?P<value>[A-Za-z0-9+/%]{30,120}={0,2})",
        rf"{_START}rf_[A-Za-z0-9]{{4,32}}_[A-Za-z0-9_-]{{16,100}}",
        rf"{_START}eyJ[A-Za-z0-9_-]{{8,4000}}\.[A-Za-z0-9_-]{{8,4000}}\.[A-Za-z0-9_-]{{0,2000}}",
    ),
    form(
        "SECRET",
        0.9,
        rf"{_START}{_SAID_BEFORE}[ \t*\"']{{0,3}}[:=][ \t*]{{0,4}}{_SAID_AFTER}",
        any_case=True,
        accept=_is_secret,
        hints=_SAID_HINTS,
    ),
    form(
        "SECRET",
        0.9,
        rf"{_START}{_SAID_BEFORE}[ ](?:is|was)[ :]{_SAID_AFTER}",
        any_case=True,
        accept=_has_digit,
        hints=_SAID_HINTS,
    ),
    # A word that is all there is to the line.
    form(
        "SECRET",
        0.8,
        rf"{_START}(?:password|passwd|pwd|passphrase)[ \t*]{{0,3}}[:=][ \t*]{{0,4}}(?P<value>[a-z]{{6,40}})"
        r"[ .]?(?=[\n,;|]|\Z)",
        any_case=True,
        accept=_is_word_secret,
        hints=_SAID_HINTS,
    ),
)
