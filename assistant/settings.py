"""Settings, from the environment or a `.env` file. README.md lists each."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an installation can set. Every field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    host: str = Field(default="127.0.0.1", description="address the server listens on")
    port: int = Field(default=8000, ge=1, le=65535, description="port the server listens on")
    data_dir: Path = Field(default=Path("var"), description="folder for the index and the SQLite file")
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = Field(
        None, description="ISO country of the people who ask: chooses phone numbers; unset, the language decides"
    )
    llm_url: str | None = Field(
        default=None, description="base URL of an OpenAI-compatible server (vLLM), such as http://127.0.0.1:8001/v1"
    )
    llm_model: str = Field(default="virtual-doctor", description="name of the model on that server")
    llm_api_key: SecretStr = Field(default=SecretStr("none"), description="key for that server")
    chroma_url: str | None = Field(default=None, description="URL of a Chroma server; unset, Chroma runs in this process")
    database_url: str | None = Field(default=None, description="SQLAlchemy URL of PostgreSQL; unset, SQLite in data_dir")
