-- Validates the oracle's answer: which of its fields may enter a stanza, and whether the oracle is healthy.
--
-- A field that is out of range or malformed is left out. It must not count as a failure of the oracle: files declare any size and
-- any name, so a sender could open the circuit breaker with a file of 14 bytes.
--
-- Pure: it knows neither the module, nor its options, nor the clock.

local load_library = ...;

local encodings = require "util.encodings";
local json = require "util.json";

local is_same_url = load_library("urls").is_same_url;

local base64, is_utf8 = encodings.base64, encodings.utf8.valid;

local max_name_bytes = 255; -- the limit of file systems
local max_side = 2^31 - 1; -- pixels
local max_duration = 2^31 - 1; -- milliseconds: 24 days
local max_thumbnail_bytes = 400; -- of the PNG
local max_thumbnail_side = 8; -- pixels

local function is_integer(value, min, max)
	return type(value) == "number" and value >= min and value <= max and value % 1 == 0;
end

local function is_size(value) -- > boolean; bytes; larger numbers are not exact in JSON
	return is_integer(value, 0, 2^53);
end

local function is_side(value) -- > boolean
	return is_integer(value, 1, max_side);
end

local function is_duration(value) -- > boolean
	return is_integer(value, 0, max_duration);
end

local token_chars = "[%w!#$%%&'*+.^_`|~-]+"; -- RFC 9110 5.6.2
local type_pattern = "^"..token_chars.."/"..token_chars.."$";

local function is_media_type(value) -- > boolean; lower case, no parameters (RFC 9110 8.3.1), at most as long as RFC 6838 4.2 allows
	return type(value) == "string" and #value <= 127 + 1 + 127 and value:find(type_pattern) ~= nil and not value:find("%u");
end

local base83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

local function is_blurhash(value) -- > boolean; the first character gives the number of components, and so the length
	if type(value) ~= "string" or value:find("[^%w#$%%*+,%-.:;=?@%[%]^_{|}~]") then
		return false;
	end
	local components = (base83:find(value:sub(1, 1), 1, true) or 0) - 1;
	if value == "" or components > 80 then
		return false;
	end
	local across, down = components % 9 + 1, math.floor(components / 9) + 1;
	return #value == 4 + 2 * across * down;
end

local function is_thumbhash(value) -- > boolean; base64 of at most 25 bytes (5 of head, 2 channels of 5, 28 and 14 nibbles at most)
	return type(value) == "string" and #value <= 36 and #value % 4 == 0 and value:find("^[%w+/]+=?=?$") ~= nil;
end

local png_head = "^\137PNG\r\n\026\n\0\0\0\rIHDR\0\0\0([^\0])\0\0\0([^\0])"; -- width and height have 4 bytes each

-- > boolean; a data URI of a PNG. The sides are those that its decoder would allocate: 400 bytes can declare gigabytes of pixels.
local function is_thumbnail(value)
	local text = type(value) == "string" and #value <= 4 * max_thumbnail_bytes and value:match("^data:image/png;base64,([%w+/]+=?=?)$");
	local png = text and base64.decode(text);
	if not png or #png > max_thumbnail_bytes then
		return false;
	end
	local width, height = png:match(png_head);
	return width ~= nil and width:byte() <= max_thumbnail_side and height:byte() <= max_thumbnail_side;
end

local function is_sha256(value) -- > boolean; hex
	return type(value) == "string" and #value == 64 and not value:find("%X");
end

-- Bytes of UTF-8, as Lua patterns: Lua 5.2 has no utf8 library.
local forbidden_in_names = {
	"[%c/\\]"; -- control characters, and the separators of paths
	"\194[\128-\159]"; -- U+0080 to U+009F: control characters
	"\239\191[\190\191]"; -- U+FFFE, U+FFFF: XML 1.0 2.2 forbids them, and a peer would close the stream
	-- Format characters and line separators: a bidi control makes "gpj.exe" look like "exe.jpg", a zero-width one hides in an extension.
	-- Not the joiners U+200C and U+200D, which Persian names and emoji need.
	"\194\173"; -- U+00AD, soft hyphen
	"\216\156"; -- U+061C, bidi
	"\225\160\142"; -- U+180E
	"\226\128[\139\142\143\168-\174]"; -- U+200B, zero width; U+200E, U+200F, bidi; U+2028, U+2029, line separators; U+202A to U+202E, bidi
	"\226\129[\160-\175]"; -- U+2060 to U+206F, zero width and bidi
	"\239\187\191"; -- U+FEFF, zero width
	"\239\191[\185-\187]"; -- U+FFF9 to U+FFFB, interlinear annotation
	"\243\160[\128\129]"; -- U+E0000 to U+E007F, tags
};

local unicode_spaces = {
	"\194\160"; "\225\154\128"; "\226\128[\128-\138\175]"; "\226\129\159"; "\227\128\128"; -- U+00A0, 1680, 2000 to 200A, 202F, 205F, 3000
};

local function is_blank(name) -- > boolean: white space and dots only, as in ".." (some systems ignore trailing spaces and dots)
	for _, pattern in ipairs(unicode_spaces) do
		name = name:gsub(pattern, " ");
	end
	return name:find("^[%s.]*$") ~= nil;
end

local function is_filename(value) -- > boolean; nothing that XML forbids, that a client could take for a path, or that fakes an extension
	if type(value) ~= "string" or #value > max_name_bytes or not is_utf8(value) or is_blank(value) then
		return false;
	end
	for _, pattern in ipairs(forbidden_in_names) do
		if value:find(pattern) then
			return false;
		end
	end
	return true;
end

local fields = { -- name in the metadata, key in the reply, predicate of valid values
	{ "bytes", "bytes", is_size };
	{ "type", "type", is_media_type };
	{ "blurhash", "blurhash", is_blurhash };
	{ "width", "width", is_side };
	{ "height", "height", is_side };
	{ "name", "filename", is_filename };
	{ "duration", "durationMs", is_duration };
	{ "sha256", "sha256", is_sha256 };
	{ "thumbhash", "thumbhash", is_thumbhash };
	{ "thumbnail", "thumbnail", is_thumbnail };
};

-- > metadata { bytes, type, blurhash, width, height, name, duration, sha256, thumbhash, thumbnail }, each nil if unknown or invalid,
--   and is_partial if the oracle may know more later; or nil if the reply is no object of the oracle's contract
local function parse_metadata(reply)
	if type(reply) ~= "table" then
		return nil;
	end
	local metadata, has_key = {}, false;
	for _, field in ipairs(fields) do
		local name, key, is_valid = field[1], field[2], field[3];
		local value = reply[key];
		has_key = has_key or value ~= nil; -- JSON's null is a value of its own
		metadata[name] = is_valid(value) and value or nil;
	end
	if not has_key then
		return nil;
	end
	if not metadata.width or not metadata.height then
		metadata.width, metadata.height = nil, nil; -- clients reserve space by both
	end
	metadata.is_partial = reply.partial == true or nil;
	return metadata;
end

-- HTTP status 0 is net.http's for "no answer", with the reason as the body.
--
-- url: the one that was asked for. An answer about another one is dropped, with any transport: it would show a reader the file of
-- another conversation. It is no sign of an unhealthy oracle either: senders choose how to spell a URL.
local function read_reply(body, status, url) -- > metadata or nil, "described" | "undescribed" | "unhealthy" | "mismatched", reason
	if status == 200 then
		local ok, reply = pcall(json.decode, body);
		local metadata = ok and parse_metadata(reply);
		if not metadata then
			return nil, "unhealthy", "the answer is not metadata";
		elseif not is_same_url(url, reply.url) then
			return nil, "mismatched", "the answer is about another URL";
		end
		return metadata, "described";
	elseif status == 502 or status == 504 or (status >= 400 and status < 500) then
		-- The oracle is healthy, the origin is not. Otherwise dead links would open the circuit breaker. The 4xx include 429 (host_busy: a
		-- limit of one host; rate_limited), unlike 503 (overloaded), which concerns all lookups.
		return nil, "undescribed";
	end
	return nil, "unhealthy", status == 0 and tostring(body) or "status "..status;
end

return { is_blurhash = is_blurhash; parse_metadata = parse_metadata; read_reply = read_reply };
