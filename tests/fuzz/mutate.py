"""Damage of files, decided by a generator alone: of bytes, and inside PNG, zip, gzip and npy."""

import gzip
import io
import re
import struct
import zipfile
import zlib

_PNG = b"\x89PNG\r\n\x1a\n"
_NPY = b"\x93NUMPY\x01\x00"
_EXTREMES = (0, 1, 2, 127, 128, 255, 256, 32767, 65535, 65536, 10**6, 2**24, 2**31 - 1, 2**31,
             2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)  # fmt: skip
_TEXTS = (b"-1", b"1e999", b"NaN", b"null", b'"x"', b"[]", b"{}", b"true", b"0.5", b"9" * 400)


def mutated(data, rng, other):
  """Damaged bytes, and whether their checksums are right all the same.

  `other` is a file of the same kind to splice with.
  """
  if rng.random() < 0.5:
    for magic, inside in ((_PNG, _png), (b"PK", _zip), (b"\x1f\x8b", _gzip)):
      if data.startswith(magic):
        return inside(data, rng, other), True
  return _damaged(data, rng, other), False


def _damaged(data, rng, other):
  if data.startswith(_NPY):
    return _npy(data, rng, other)
  for _ in range(rng.choice([1, 1, 1, 2, 4])):
    text = data[:1] in b"{[" or b"\0" not in data[:64]
    kinds = (*_OF_BYTES, *_OF_TEXT * 3) if text else _OF_BYTES
    data = kinds[rng.integers(len(kinds))](data, rng, other)
  return data


def _place(data, rng):
  """An offset: anywhere, or where headers and directories are."""
  size = max(len(data), 1)
  first, near = rng.integers(min(size, 256)), rng.integers(min(size, 64))
  return int(rng.choice([rng.integers(size), first, near, size - 1 - near]))


def _span(data, rng):
  start = _place(data, rng)
  return start, start + int(rng.choice([1, 2, 4, 16, 64, 512]))


def _bits(data, rng, _):
  out = bytearray(data or b"\0")
  for _ in range(rng.integers(1, 9)):
    out[_place(out, rng)] ^= 1 << rng.integers(8)
  return bytes(out)


def _bytes(data, rng, _):
  start, stop = _span(data, rng)
  return data[:start] + rng.bytes(len(data[start:stop])) + data[stop:]


def _truncated(data, rng, _):
  return data[: int(rng.choice([0, _place(data, rng), rng.integers(len(data) + 1)]))]


def _extended(data, rng, _):
  start, count = _place(data, rng), int(rng.choice([1, 7, 100, 5000]))
  if rng.random() < 0.5:
    return data + b"\0" * count
  return data[:start] + rng.bytes(count) + data[start:]


def _zeros(data, rng, _):
  start, stop = _span(data, rng)
  fill = b"\0" if rng.random() < 0.5 else b"\xff"
  return data[:start] + fill * len(data[start:stop]) + data[stop:]


def _swapped(data, rng, _):
  first, second = sorted((_place(data, rng), _place(data, rng)))
  size = min(int(rng.choice([4, 32, 256])), second - first)
  blocks = data[second : second + size], data[first + size : second], data[first : first + size]
  return data[:first] + b"".join(blocks) + data[second + size :]


def _spliced(data, rng, other):
  return data[: _place(data, rng)] + other[_place(other, rng) :]


def _integer(data, rng, _):
  width, order = int(rng.choice([1, 2, 4, 8])), str(rng.choice(["little", "big"]))
  value = _EXTREMES[rng.integers(len(_EXTREMES))] % 256**width
  start = _place(data, rng) // width * width if rng.random() < 0.7 else _place(data, rng)
  return data[:start] + value.to_bytes(width, order) + data[start + width :]


def _number(data, rng, _):
  """One number of a text, or a value of json, becomes another."""
  places = list(re.finditer(rb"-?\d+|true|false|null|\"[^\"]*\"", data))
  if not places:
    return data
  place = places[rng.integers(len(places))]
  extreme = str(_EXTREMES[rng.integers(len(_EXTREMES))]).encode()
  value = extreme if rng.random() < 0.6 else _TEXTS[rng.integers(len(_TEXTS))]
  return data[: place.start()] + value + data[place.end() :]


def _line(data, rng, other):
  """A line is lost, doubled or another's."""
  lines, others = data.splitlines(True) or [b""], other.splitlines(True) or [b""]
  row = rng.integers(len(lines))
  lines[row] = (b"", lines[row] * 2, others[rng.integers(len(others))])[rng.integers(3)]
  return b"".join(lines)


def _nested(data, rng, _):
  start, depth = _place(data, rng), int(rng.choice([10, 2000, 100_000]))
  mark = (b"[", b'{"a":')[rng.integers(2)]
  return (data[:start] if rng.random() < 0.5 else b"") + mark * depth


def _coded(data, rng, _):
  wide, ended = data.decode("latin-1").encode("utf-16"), data.replace(b"\n", b"\r")
  return (b"\xef\xbb\xbf" + data, wide, ended)[rng.integers(3)]


_OF_BYTES = (_bits, _bytes, _truncated, _extended, _zeros, _swapped, _spliced, _integer, _integer)
_OF_TEXT = (_number, _number, _line, _nested, _coded)


def _npy(data, rng, other):
  """The header keeps its length field right, so that what it says is believed."""
  size = struct.unpack("<H", data[8:10])[0]
  header, body = data[10 : 10 + size], data[10 + size :]
  if rng.random() < 0.7:
    header = (_number, _number, _bits, _bytes)[rng.integers(4)](header.rstrip(), rng, b"") + b"\n"
  else:
    body = _OF_BYTES[rng.integers(len(_OF_BYTES))](body, rng, other)
  return _NPY + struct.pack("<H", len(header) % 65536) + header + body


def _gzip(data, rng, other):
  whole = gzip.compress(_damaged(gzip.decompress(data), rng, gzip.decompress(other)), 1, mtime=0)
  return whole if rng.random() < 0.8 else whole + gzip.compress(rng.bytes(50), mtime=0)


def _zip(data, rng, other):
  """One member is damaged, lost, renamed, doubled, packed or another's; all checksums are right."""
  names, contents = zip(*_members(data), strict=True)
  names, contents = list(names), list(contents)
  row, what = rng.integers(len(names)), rng.random()
  donor = _members(other)[rng.integers(len(_members(other)))][1]
  packed = zipfile.ZIP_DEFLATED if rng.random() < 0.2 else zipfile.ZIP_STORED
  if what < 0.7:
    contents[row] = _damaged(contents[row], rng, donor)
  elif what < 0.77:
    del names[row], contents[row]
  elif what < 0.84:
    names[row] = str(rng.choice(["x.npy", "../x.npy", "/x", names[0], names[-1], ""]))
  elif what < 0.92:
    contents[row] = donor
  else:
    contents[row] += b"\0" * int(rng.choice([1, 2**20, 2**26]))
    packed = zipfile.ZIP_DEFLATED
  return zipped(zip(names, contents, strict=True), packed)


def _members(data):
  with zipfile.ZipFile(io.BytesIO(data)) as archive:
    return [(name, archive.read(name)) for name in archive.namelist()]


def zipped(members, packed=zipfile.ZIP_STORED):
  """A zip of (name, content), the same bytes whenever it is made."""
  file = io.BytesIO()
  with zipfile.ZipFile(file, "w", packed, compresslevel=1) as archive:
    for name, content in members:
      info = zipfile.ZipInfo(name)
      info.compress_type = packed
      archive.writestr(info, content)
  return file.getvalue()


def _png(data, rng, other):
  """One chunk is damaged, in its pixels or its header too, lost or doubled; checksums are right."""
  chunks, at = [], 8
  while at + 8 <= len(data):
    size = struct.unpack(">I", data[at : at + 4])[0]
    chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
    at += 12 + size
  row, what = rng.integers(len(chunks)), rng.random()
  kind, content = chunks[row]
  if what < 0.15:
    del chunks[row]
  elif what < 0.25:
    chunks.insert(row, chunks[row])
  elif what < 0.3:
    kind = bytes(rng.choice([b"tRNS", b"PLTE", b"iCCP", b"acTL", b"fdAT", b"eXIf", b"zTXt"]))
    chunks.insert(1, (kind, zlib.compress(b"\0" * 2**22) if kind == b"zTXt" else rng.bytes(30)))
  else:
    pixels = kind == b"IDAT" and rng.random() < 0.7
    content = zlib.decompress(content) if pixels else content
    content = _OF_BYTES[rng.integers(len(_OF_BYTES))](content, rng, other)
    chunks[row] = (kind, zlib.compress(content, 1) if pixels else content)
  return _PNG + b"".join(
    struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    for kind, content in chunks
  )
