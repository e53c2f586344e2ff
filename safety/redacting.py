"""Keeps what identifies a person out of log files."""

import logging
from typing import Any

from safety.deidentify import READ, deidentify

LOGS: dict[str, Any] = {  # for logging.config: every record of the server goes through the filter
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redacted": {"()": "safety.redacting.RedactingFilter"}},
    "handlers": {"errors": {"class": "logging.StreamHandler", "filters": ["redacted"], "stream": "ext://sys.stderr"}},
    "root": {"level": "WARNING", "handlers": ["errors"]},
}


class RedactingFilter(logging.Filter):
    """De-identifies every record that passes: message and arguments, the traceback too. Add it to a handler.

    A record that cannot be read is passed on without its text: nothing leaks through an error.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrites the record in place; always True."""
        try:
            record.msg = redacted(record.getMessage())
            if record.exc_info:
                record.exc_text = redacted(logging.Formatter().formatException(record.exc_info))
            if record.stack_info:
                record.stack_info = redacted(record.stack_info)
        except Exception as error:  # a faulty record must neither end the program nor be written as it is
            record.msg, record.exc_text, record.stack_info = f"(log record withheld: {type(error).__name__})", None, None
        record.args, record.exc_info = None, None
        return True


def redacted(text: str) -> str:
    """The text, masked; a very long one is cut first."""
    return deidentify(text[:READ]).text
