"""A line being read: its tokens one by one, its brackets, its numbers, and errors at their places."""

from __future__ import annotations

import math

from investigator.expressions.errors import ExpressionError
from investigator.expressions.lexer import Kind, Lexeme, lexemes

_LARGEST = 2**53


class Reading:
    """One line being read, token by token."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(lexemes(text))
        self.at = 0

    # Tokens

    @property
    def next(self) -> Lexeme:
        """The token to be read."""
        return self.tokens[self.at]

    def fail(self, message: str, mend: str, at: int | None = None) -> ExpressionError:
        """Return an error at the next token, or at a place."""
        return ExpressionError(message, mend, self.text, self.next.at if at is None else at)

    def is_mark(self, *marks: str, ahead: int = 0) -> bool:
        """Whether the next token (or one further on) is one of these marks."""
        where = min(self.at + ahead, len(self.tokens) - 1)
        return self.tokens[where].kind == "mark" and self.tokens[where].value in marks

    def is_kind(self, kind: Kind, ahead: int = 0) -> bool:
        """Whether the next token (or one further on) is of a kind."""
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)].kind == kind

    def take(self) -> Lexeme:
        """Read a token."""
        found = self.next
        self.at += found.kind != "end"
        return found

    def took(self, mark: str) -> bool:
        """Read a mark, where it stands there."""
        if not self.is_mark(mark):
            return False
        self.take()
        return True

    def close(self, mark: str, opened: int) -> None:
        """Read a closing bracket."""
        if not self.took(mark):
            if self.is_kind("end"):
                raise self.fail(f"A {mark} is missing for the bracket opened here", f"Close it with {mark}.", opened)
            raise self.fail(f"A {mark} is missing", f"Close the bracket with {mark}.")

    def finish(self) -> None:
        """Be at the end."""
        if self.is_mark(")", "]"):
            raise self.fail(f"This {self.next.value} closes no bracket", "Leave it out.")
        if self.is_mark("*"):
            raise self.fail("A weight stands before what it weighs", "Write it as 0.5 * (...).")
        if not self.is_kind("end"):
            raise self.fail("Here the expression goes on without a sign", "Write + or - between two sources.")

    # Numbers

    def real(self) -> float:
        """Read a number without a sign."""
        token = self.take()
        value = float(token.value)
        if not math.isfinite(value):
            raise self.fail("This number is too large", "Write a smaller one.", token.at)
        return value

    def signed(self, what: str) -> float:
        """Read a number that may have a sign."""
        minus = self.took("-")
        if not self.is_kind("number"):
            raise self.fail(f"Here stands no {what}", "Write a number.")
        return -self.real() if minus else self.real()

    def whole(self, what: str, mend: str = "Write a whole number.") -> int:
        """Read a whole number that may have a sign."""
        minus, token = self.took("-"), self.next
        if token.kind != "number" or not token.value.isdigit():
            raise self.fail(f"Here stands no {what}", mend)
        self.take()
        if len(token.value) > 16 or int(token.value) > _LARGEST:
            raise self.fail("This number is too large", "Write a smaller one.", token.at)
        return -int(token.value) if minus else int(token.value)
