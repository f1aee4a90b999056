"""What bounds a framed Thrift connection besides `mesh.wire.limits.Limits`, each with its reason.

One rule: what both protocols of the port have (a message, its headers, calls under way, unsent bytes) is bounded by the
same field of `Limits`; here stands only what TChannel has no place for.
"""

from __future__ import annotations

# The length in front says the bytes behind it. 0x3FFFFFFF is the most that any Thrift frame may say; ours is
# Limits.message_bytes, far below.
LENGTH_BYTES = 4

# An envelope without a name and a body: version and type, length of the name, seqid.
LEAST_FRAME_BYTES = 12

# `Service:method`, two identifiers; generated code has names below 100 characters. Longer ones are an attack or noise,
# and are echoed in the answer.
MAX_NAME_BYTES = 512

# A text for people in an answer that is an error. The first sentence says it.
MAX_TEXT_BYTES = 4_096

# zlib is the one transform known here, and nobody packs twice: each further pass could only cost us time.
MAX_TRANSFORMS = 1

# A varint of 32 bits takes five bytes of seven bits.
MAX_VARINT_BYTES = 5

# Of a THeader, for the protocol, the transforms, the counts and the padding beside the bytes of the key-values, which
# Limits.headers_bytes bounds.
HEADER_SLACK_BYTES = 1_024

# A connection on which nobody calls. Clients of this protocol keep theirs for a process's life and learn of an end only
# by the call that fails, so this is long; that the other host is still there is TCP's keepalive to find out.
IDLE_S = 3_600.0

# From the moment that a peer leaves our answers unread until we give it up, however well its kernel says that it is
# there: what a stalled process should need to come back, and no socket should be held for longer.
UNREAD_S = 120.0
