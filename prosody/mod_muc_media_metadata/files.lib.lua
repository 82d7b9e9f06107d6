-- Builds the elements of a file's fields that several outputs share.

local base64 = require "util.encodings".base64;
local st = require "util.stanza";

local xmlns_file_metadata = "urn:xmpp:file:metadata:0"; -- XEP-0446
local xmlns_hashes = "urn:xmpp:hashes:2"; -- XEP-0300
local xmlns_thumbs = "urn:xmpp:thumbs:1"; -- XEP-0264

local function add_text(tag, name, value, attr)
	if type(value) == "number" then
		value = ("%d"):format(value);
	end
	if value then
		tag:text_tag(name, value, attr);
	end
end

local function hash_text(sha256) -- > base64; XEP-0300 has no hex
	return base64.encode((sha256:gsub("%x%x", function (digits) return string.char(tonumber(digits, 16)); end)));
end

local function add_hash(tag, metadata)
	if metadata.sha256 then
		tag:text_tag("hash", hash_text(metadata.sha256), { xmlns = xmlns_hashes, algo = "sha-256" });
	end
end

local function add_file_fields(tag, metadata) -- the elements that XEP-0446 and XEP-0234 share
	add_text(tag, "media-type", metadata.type);
	add_text(tag, "name", metadata.name);
	add_text(tag, "size", metadata.bytes);
end

local function file_metadata_tag(metadata) -- > <file/> of XEP-0446
	local tag = st.stanza("file", { xmlns = xmlns_file_metadata });
	add_file_fields(tag, metadata);
	add_text(tag, "width", metadata.width);
	add_text(tag, "height", metadata.height);
	add_text(tag, "length", metadata.duration);
	add_hash(tag, metadata);
	return tag;
end

local function add_thumbnail(tag, media_type, uri, width, height)
	tag:tag("thumbnail", {
		xmlns = xmlns_thumbs;
		["media-type"] = media_type;
		uri = uri;
		width = width and ("%d"):format(width);
		height = height and ("%d"):format(height);
	}):up();
end

local function is_picture(metadata) -- > boolean
	return metadata.type ~= nil and metadata.type:find("^image/") ~= nil;
end

return {
	xmlns_file_metadata = xmlns_file_metadata;
	add_text = add_text;
	add_hash = add_hash;
	add_file_fields = add_file_fields;
	file_metadata_tag = file_metadata_tag;
	add_thumbnail = add_thumbnail;
	is_picture = is_picture;
};
