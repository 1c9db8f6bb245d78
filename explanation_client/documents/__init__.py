"""The explained documents of a text explanation: their texts, where each word stands, how much it contributed there.

The features of a text explanation are words, each of which counts once for a document, however often it occurs. This
part keeps what that leaves out: the order of the words, and the importance of every single occurrence.
"""

from explanation_client.documents.data import Document, Documents, IntArray, Offsets, Sentences
from explanation_client.documents.lazy import AnyDocuments, LazyDocuments
from explanation_client.documents.problems import document_problems
from explanation_client.documents.ranked import widened

__all__ = [
    "AnyDocuments",
    "Document",
    "Documents",
    "IntArray",
    "LazyDocuments",
    "Offsets",
    "Sentences",
    "document_problems",
    "widened",
]
