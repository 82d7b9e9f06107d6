-- Builds the elements of XEP-0447 (stateless file sharing) in the form that Dino 0.5.0 and later releases can load.

local load_library = ...;

local st = require "util.stanza";

local files = load_library("files");

local xmlns_sfs = "urn:xmpp:sfs:0"; -- XEP-0447
local xmlns_url_data = "http://jabber.org/protocol/url-data"; -- XEP-0103
local xmlns_fallback = "urn:xmpp:fallback:0"; -- XEP-0428

local share_id = "media-1"; -- unique in its message, which has no other share

-- Dino scales the thumbnail to the sides of the picture, in memory: 25 MP x 4 bytes a pixel = 100 MB.
local max_thumbnail_pixels = 25e6;

local function add_png(tag, metadata)
	local is_small = metadata.width and metadata.width * metadata.height <= max_thumbnail_pixels;
	if metadata.thumbnail and files.is_picture(metadata) and is_small then
		files.add_thumbnail(tag, "image/png", metadata.thumbnail);
	end
end

local function sources_tag(url, attr)
	return st.stanza("sources", attr):tag("url-data", { xmlns = xmlns_url_data, target = url }):reset();
end

-- > array of elements; empty without the SHA-256, without which Dino shows no picture
-- No disposition: with "inline" Movim shows pictures as stickers.
local function sfs_tags(stanza, metadata, url)
	if not metadata.sha256 then
		return {};
	end
	local file = files.file_metadata_tag(metadata);
	files.add_text(file, "media_type", metadata.type); -- Dino's name of <media-type/>
	add_png(file, metadata);
	local share = st.stanza("file-sharing", { xmlns = xmlns_sfs, id = share_id });
	share:add_direct_child(file);
	share:add_direct_child(sources_tag(url));
	-- Dino 0.5.0 looks for the sources beside the share, later releases inside, where XEP-0447 has them.
	local tags = { share, sources_tag(url, { xmlns = xmlns_sfs, id = share_id }) };
	if stanza:get_child("body") then -- which is for clients without XEP-0447
		table.insert(tags, st.stanza("fallback", { xmlns = xmlns_fallback, ["for"] = xmlns_sfs }):tag("body"):reset());
	end
	return tags;
end

-- Whether the sender shares a file in this message or in an earlier one, to which this one adds the source: Dino and Kaidan send two
-- messages, and would show the file of the second one twice.
local function has_share_of_sender(stanza) -- > boolean
	for _, child in ipairs(stanza.tags) do
		local name, xmlns = child.name, child.attr.xmlns or "";
		if xmlns == xmlns_sfs and (name == "sources" or name == "file-sharing")
		or name == "attach-to" and xmlns:find("^urn:xmpp:message%-attaching:")
		or name == "fallback" and child.attr["for"] == xmlns_sfs then
			return true;
		end
	end
	return false;
end

-- XEP-0447 requires a body with only the shared URL, and its clients hide the body: text beside the URL would be lost.
local function has_only_url(stanza, url) -- > boolean
	for body in stanza:childtags("body") do
		for word in (body:get_text() or "?"):gmatch("%S+") do
			if word ~= url then
				return false;
			end
		end
	end
	return true;
end

return {
	xmlns_sfs = xmlns_sfs;
	sfs_tags = sfs_tags;
	has_share_of_sender = has_share_of_sender;
	has_only_url = has_only_url;
};
