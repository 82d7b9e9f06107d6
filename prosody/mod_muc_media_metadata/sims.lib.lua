-- Builds the <reference/> of XEP-0385 (SIMS) in the form that no client is known to take for something else.

local load_library = ...;

local st = require "util.stanza";

local files = load_library("files");

local xmlns_reference = "urn:xmpp:reference:0"; -- XEP-0372
local xmlns_sims = "urn:xmpp:sims:1"; -- XEP-0385
local xmlns_jingle_file = "urn:xmpp:jingle:apps:file-transfer:5"; -- XEP-0234
local xmlns_schema_org = "https://schema.org/"; -- for fields that XEP-0385 has no element for
local xmlns_metadata = "xmpp:prosody.im/protocol/media-metadata#0";

local max_thumbnail_side = 65535; -- XEP-0264: xs:unsignedShort

-- The text that a reference is about, which XEP-0372 counts in characters: here always one character behind the body, so no client can
-- take the URL out of the text. Converse prints the URL twice without a range; Smack rejects an empty one, and with it the message.
-- Counted in bytes, because every client counts fewer (code points, UTF-16 units). Of the longest body if there are several languages.
local function find_range(stanza) -- > begin, end; or nil if there is no text
	local longest = 0;
	for body in stanza:childtags("body") do
		longest = math.max(longest, #(body:get_text() or ""));
	end
	if longest > 0 then
		return ("%d"):format(longest), ("%d"):format(longest + 1);
	end
end

local function add_thumbhash(tag, metadata)
	-- Only of pictures: a video with one has a broken poster in Movim.
	if not metadata.thumbhash or not files.is_picture(metadata) then
		return;
	end
	local width, height = metadata.width, metadata.height;
	if width and (width > max_thumbnail_side or height > max_thumbnail_side) then
		width, height = nil, nil;
	end
	files.add_thumbnail(tag, "image/thumbhash", "data:image/thumbhash;base64,"..metadata.thumbhash, width, height);
end

-- > <reference/>; or nil without the type and size that XEP-0385 requires, or without a body
-- has_hash: whether the hash is added, if it is known
local function sims_tag(stanza, metadata, url, has_hash)
	local range_begin, range_end = find_range(stanza);
	if not metadata.type or not metadata.bytes or not range_begin then
		return nil;
	end
	local function reference(uri)
		return st.stanza("reference", { xmlns = xmlns_reference, type = "data", uri = uri, begin = range_begin, ["end"] = range_end });
	end
	-- Without a URI, which Psi would show as a link. Prose reads only the first child: with <by-server/> it shows the out-of-band
	-- picture instead of a grey box; all others look for <media-sharing/> by its name.
	local tag = reference(nil)
		:tag("by-server", { xmlns = xmlns_metadata }):up()
		:tag("media-sharing", { xmlns = xmlns_sims })
			:tag("file", { xmlns = xmlns_jingle_file });
	files.add_file_fields(tag, metadata);
	files.add_text(tag, "width", metadata.width, { xmlns = xmlns_schema_org });
	files.add_text(tag, "height", metadata.height, { xmlns = xmlns_schema_org });
	if metadata.duration then
		tag:text_tag("duration", ("PT%.3fS"):format(metadata.duration / 1000), { xmlns = xmlns_schema_org }); -- ISO 8601
	end
	if has_hash then
		files.add_hash(tag, metadata);
	end
	add_thumbhash(tag, metadata);
	return tag:up()
		:tag("sources")
			:add_child(reference(url))
		:reset();
end

return {
	xmlns_reference = xmlns_reference;
	sims_tag = sims_tag;
};
