"""Characters that no reader sees."""

INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\U000e0000-\U000e0fff"
)
"""As the inside of a character class of a regular expression. What only gives the characters near it another shape, as
variation selectors do, is not among them: a text's words can be copied with it."""
