"""What a date, a time or a duration cannot be."""


class Untimely(Exception):
    """No such date, time or duration. Who called says where in the query."""

    def __init__(self, message: str, hint: str = "", code: str = "Q213") -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint
