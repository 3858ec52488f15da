"""What all tables share. Each capability declares its own tables on this metadata."""

from sqlalchemy import MetaData, String

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def by_code_point(kind: String) -> String:
    """Text that both databases compare by code point, whatever the locale of the server.

    SQLite does so by itself. On PostgreSQL it is the collation `C`: lists have one order
    everywhere, and no upgrade of the system's library can put an index out of order
    (https://wiki.postgresql.org/wiki/Locale_data_changes).
    """
    return kind.with_variant(type(kind)(kind.length, collation="C"), "postgresql")
