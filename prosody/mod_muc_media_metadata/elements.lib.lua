-- Adds metadata to a stanza as XMPP elements.
--
-- Pure: it knows neither the module, nor its options, nor the clock.

local load_library = ...; -- loads another file of this library

local set = require "util.set";
local st = require "util.stanza";

local media_library = load_library("media");
local files = load_library("files");
local sims = load_library("sims");
local sfs = load_library("sfs");
local urls = load_library("urls");

local max_growth = 3 * 1024; -- bytes that one URL may add to a stanza, which is sent to all occupants and kept in archives

-- The fields of the oracle's answer that each output carries, as its keys. Of these only sha256 makes the oracle read a file to its
-- end: where another output carries a hash, it does so only if it is known.
local output_fields = {
	["legacy"] = { "bytes", "type", "blurhash", "width", "height" };
	["file-metadata"] = { "bytes", "type", "filename", "width", "height", "durationMs" };
	["sims"] = { "bytes", "type", "filename", "width", "height", "durationMs", "thumbhash" };
	["sfs"] = { "bytes", "type", "filename", "width", "height", "durationMs", "sha256", "thumbnail" };
};

local function fields_of(outputs) -- > array of the keys that the outputs carry, sorted
	local fields = set.new();
	for output in outputs do
		fields:add_list(output_fields[output]);
	end
	local array = {};
	for field in fields do
		table.insert(array, field);
	end
	table.sort(array);
	return array;
end

local function is_informative(metadata) -- > boolean
	local is_typed = metadata.type ~= nil and metadata.type ~= "application/octet-stream";
	return is_typed or (metadata.bytes or metadata.blurhash or metadata.width or metadata.height) ~= nil;
end

local function legacy_tag(metadata) -- > <metadata/>
	local tag = st.stanza("metadata", { xmlns = media_library.xmlns_metadata });
	for _, name in ipairs { "bytes", "type", "blurhash", "width", "height" } do
		files.add_text(tag, name, metadata[name]);
	end
	return tag;
end

-- > predicate: whether the sender describes a URL in an element that we would add. The sender has the file, so that element is
--   the better one. An element without a URL (XEP-0446 never has one) describes all URLs.
local function described_by_sender(stanza)
	local named, is_unnamed = {}, stanza:get_child("file", files.xmlns_file_metadata) ~= nil;
	for _, child in ipairs(stanza.tags) do
		local is_sims = child.name == "reference" and child.attr.xmlns == sims.xmlns_reference and child:child_with_name("media-sharing");
		if is_sims or child.name == "file-sharing" and child.attr.xmlns == sfs.xmlns_sfs then
			local has_name = false;
			media_library.each_element(child, function (element)
				local url = element.name == "reference" and element.attr.uri or element.name == "url-data" and element.attr.target;
				if url then
					has_name = true;
					named[url] = true;
				end
			end);
			is_unnamed = is_unnamed or not has_name;
		end
	end
	return function (url)
		return is_unnamed or named[url] == true;
	end;
end

local function size_of(tags) -- > bytes
	local size = 0;
	for _, tag in ipairs(tags) do
		size = size + #tostring(tag);
	end
	return size;
end

-- Builds the elements of each output for one URL.
--
-- trusted_hosts: set of the hosts whose files do not change, so that clients may use their hash: Dino deletes a file with another one
local function build_elements(stanza, medium, metadata, is_only_url, trusted_hosts) -- > output > array of elements
	local url = medium.url;
	local is_trusted = urls.is_on_host(url, trusted_hosts);
	local is_exact = medium.x:get_child_text("url", media_library.xmlns_oob) == url;
	local is_shareable = is_only_url and is_trusted and not sfs.has_share_of_sender(stanza) and sfs.has_only_url(stanza, url);
	return {
		["legacy"] = { legacy_tag(metadata) };
		["file-metadata"] = { is_only_url and files.file_metadata_tag(metadata) or nil };
		["sims"] = { is_exact and sims.sims_tag(stanza, metadata, url, is_trusted) or nil };
		["sfs"] = is_shareable and sfs.sfs_tags(stanza, metadata, url) or {};
	};
end

-- Adds the metadata of a stanza's media as elements of the given outputs: "legacy", "file-metadata", "sims", "sfs". In this order, as
-- far as they fit.
--
-- described: URL > metadata, or nil
local function add_elements(stanza, media, described, outputs, trusted_hosts) -- > array of added elements
	local is_by_sender = described_by_sender(stanza);
	local is_only_url = media_library.count_urls(stanza) == 1;
	local seen, added, new_children = {}, {}, {};

	local function add_outputs(medium, metadata)
		local left = max_growth;
		local tags_of = build_elements(stanza, medium, metadata, is_only_url, trusted_hosts);
		local is_legacy_only = seen[medium.url] or is_by_sender(medium.url);
		seen[medium.url] = true;
		for _, output in ipairs { "legacy", "file-metadata", "sims", "sfs" } do
			local tags = tags_of[output];
			local size = size_of(tags);
			if outputs:contains(output) and size <= left and (output == "legacy" or not is_legacy_only) then
				left = left - size;
				for _, tag in ipairs(tags) do
					table.insert(added, tag);
					table.insert(new_children, { parent = output == "legacy" and medium.x or stanza; tag = tag });
				end
			end
		end
	end

	for _, medium in ipairs(media) do
		local metadata = described[medium.url];
		if metadata and is_informative(metadata) then
			add_outputs(medium, metadata);
		end
	end
	for _, child in ipairs(new_children) do
		child.parent:add_direct_child(child.tag);
	end
	return added;
end

return {
	fields_of = fields_of;
	add_elements = add_elements;
};
