"""Question-answer pages in the XML of MedQuAD (Ben Abacha and Demner-Fushman, 2019): each answer is a part under its question."""

from xml.etree import ElementTree

from retrieval.readers.document import Document, Part, Unreadable, made


def read(name: str, data: bytes) -> list[Document]:
    """The one document of a file. Raises Unreadable."""
    if b"<!ENTITY" in data or b"<!DOCTYPE" in data:
        raise Unreadable("its XML declares entities, which are not followed: remove the DOCTYPE")
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 - no entities, see above
    except ElementTree.ParseError as error:
        raise Unreadable(f"broken XML: {error}") from error
    if root.find("QAPairs") is None:
        raise Unreadable(f"XML of another kind (root {root.tag!r}): only MedQuAD's is known")
    parts = [Part(pair.findtext("Question") or "", pair.findtext("Answer") or "") for pair in root.iter("QAPair")]
    if parts and not any(part.text.strip() for part in parts):
        raise Unreadable("its answers were left out by the publisher")
    return [made(name, root.findtext("Focus") or "", parts, publisher=root.get("source", ""), url=root.get("url"))]
