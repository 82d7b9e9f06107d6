-- What in a stanza is looked up, what of the oracle's reply may enter it, and as which elements.
--
-- Pure: knows neither the module that asks, nor its settings, nor the clock.

local base64 = require "util.encodings".base64;
local is_utf8 = require "util.encodings".utf8.valid;
local json = require "util.json";
local st = require "util.stanza";

local xmlns_oob = "jabber:x:oob"; -- XEP-0066
local xmlns_eme = "urn:xmpp:eme:0"; -- XEP-0380
local xmlns_metadata = "xmpp:prosody.im/protocol/media-metadata#0";
local xmlns_file_metadata = "urn:xmpp:file:metadata:0"; -- XEP-0446
local xmlns_hashes = "urn:xmpp:hashes:2"; -- XEP-0300
local xmlns_thumbs = "urn:xmpp:thumbs:1"; -- XEP-0264
local xmlns_reference = "urn:xmpp:reference:0"; -- XEP-0372
local xmlns_sims = "urn:xmpp:sims:1"; -- XEP-0385
local xmlns_jingle_file = "urn:xmpp:jingle:apps:file-transfer:5"; -- XEP-0234
local xmlns_schema_org = "https://schema.org/"; -- where SIMS has no word of its own
local xmlns_sfs = "urn:xmpp:sfs:0"; -- XEP-0447
local xmlns_url_data = "http://jabber.org/protocol/url-data"; -- XEP-0103
local xmlns_fallback = "urn:xmpp:fallback:0"; -- XEP-0428

local max_url_bytes = 2048; -- as much as the oracle takes
local max_name_bytes = 255; -- as much as file systems take
local max_duration = 2^31 - 1; -- milliseconds: 24 days
local max_growth = 1536; -- bytes by which one URL may make a stanza longer: all in the room are sent them, and archives keep them

-- The reply.

local function known(value) -- > value, or nil for JSON's null
	if value ~= json.null then
		return value;
	end
end

local function is_integer(value, min, max)
	return type(value) == "number" and value >= min and value <= max and value % 1 == 0;
end

local token_chars = "[%w!#$%%&'*+.^_`|~-]+"; -- RFC 9110 5.6.2
local type_pattern = "^"..token_chars.."/"..token_chars.."$";

local function is_media_type(value) -- > boolean; lower case, no parameters (RFC 9110 8.3.1), as long as RFC 6838 4.2 allows
	return type(value) == "string" and #value <= 127 + 1 + 127 and value:find(type_pattern) ~= nil and not value:find("%u");
end

local base83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

local function is_blurhash(value) -- > boolean; the first character tells the number of components, and so the length
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

local function is_sha256(value) -- > boolean; hex
	return type(value) == "string" and #value == 64 and not value:find("%X");
end

-- Nothing that XML 1.0 2.2 forbids: a peer would close the stream over it. Nothing that a client could take for a path.
local function is_filename(value)
	return type(value) == "string" and value ~= "" and #value <= max_name_bytes and is_utf8(value)
		and not value:find("[%c/\\]") and not value:find("\194[\128-\159]") and not value:find("\239\191[\190\191]");
end

-- > metadata { bytes, type, blurhash, width, height, name, duration, sha256, thumbhash }, nil for what is unknown;
--   or nil where the reply is not what an oracle says: nothing of it may enter a stanza
local function metadata_of(reply)
	if type(reply) ~= "table" or reply.type == nil and reply.bytes == nil then
		return nil; -- some other JSON: the oracle's has every key, if only with null
	end
	local metadata = {
		bytes = known(reply.bytes);
		type = known(reply.type);
		blurhash = known(reply.blurhash);
		width = known(reply.width);
		height = known(reply.height);
	};
	local is_valid = (metadata.bytes == nil or is_integer(metadata.bytes, 0, 2^53))
		and (metadata.type == nil or is_media_type(metadata.type))
		and (metadata.blurhash == nil or is_blurhash(metadata.blurhash))
		and (metadata.width == nil or is_integer(metadata.width, 1, 2^31 - 1))
		and (metadata.height == nil or is_integer(metadata.height, 1, 2^31 - 1));
	if not is_valid then
		return nil;
	end
	-- A name and a duration are words of the origin. If one that cannot be used made the reply invalid, some files with odd names
	-- would make the oracle seem ill, and switch the annotation off for everybody.
	metadata.name = is_filename(reply.filename) and reply.filename or nil;
	metadata.duration = is_integer(reply.durationMs, 0, max_duration) and reply.durationMs or nil;
	metadata.sha256 = is_sha256(reply.sha256) and reply.sha256 or nil;
	metadata.thumbhash = is_thumbhash(reply.thumbhash) and reply.thumbhash or nil;
	return metadata;
end

-- HTTP status 0 is net.http's for "no answer", with the reason as the body.
local function read_reply(body, status) -- > metadata or nil, "described" | "undescribed" | "ill", reason
	if status == 200 then
		local ok, reply = pcall(json.decode, body);
		local metadata = ok and metadata_of(reply);
		if metadata then
			return metadata, "described";
		end
		return nil, "ill", "its answer is not metadata";
	elseif status == 502 or status == 504 or (status >= 400 and status < 500) then
		-- The oracle is well, the origin is not. If this counted, five dead links would switch annotation off for everybody.
		return nil, "undescribed";
	end
	return nil, "ill", status == 0 and tostring(body) or "status "..status;
end

-- The elements.

local function is_worth_telling(metadata) -- > boolean
	local is_typed = metadata.type ~= nil and metadata.type ~= "application/octet-stream";
	return is_typed or (metadata.bytes or metadata.blurhash or metadata.width or metadata.height) ~= nil;
end

local function add_text(tag, name, value, attr)
	if type(value) == "number" then
		value = ("%d"):format(value);
	end
	if value then
		tag:text_tag(name, value, attr);
	end
end

local function legacy_tag(metadata) -- > <metadata/>
	local tag = st.stanza("metadata", { xmlns = xmlns_metadata });
	for _, name in ipairs { "bytes", "type", "blurhash", "width", "height" } do
		add_text(tag, name, metadata[name]);
	end
	return tag;
end

local function hash_text(sha256) -- > base64; XEP-0300 has no hex
	return base64.encode((sha256:gsub("%x%x", function (digits) return string.char(tonumber(digits, 16)); end)));
end

local function add_hash(tag, metadata)
	if metadata.sha256 then
		tag:text_tag("hash", hash_text(metadata.sha256), { xmlns = xmlns_hashes, algo = "sha-256" });
	end
end

local function add_file_words(tag, metadata) -- the words that XEP-0446 and XEP-0234 share
	add_text(tag, "media-type", metadata.type);
	add_text(tag, "name", metadata.name);
	add_text(tag, "size", metadata.bytes);
end

local function file_metadata_tag(metadata) -- > <file/> of XEP-0446
	local tag = st.stanza("file", { xmlns = xmlns_file_metadata });
	add_file_words(tag, metadata);
	add_text(tag, "width", metadata.width);
	add_text(tag, "height", metadata.height);
	add_text(tag, "length", metadata.duration);
	add_hash(tag, metadata);
	return tag;
end

local function percent_encoded(text)
	return (text:gsub("[^%w%-._~]", function (char) return ("%%%02X"):format(char:byte()); end));
end

local function add_thumbnail(tag, metadata, media_type, data)
	tag:tag("thumbnail", {
		xmlns = xmlns_thumbs;
		["media-type"] = media_type;
		uri = "data:"..media_type..data;
		width = metadata.width and ("%d"):format(metadata.width);
		height = metadata.height and ("%d"):format(metadata.height);
	}):up();
end

local function sims_tag(metadata, url) -- > <reference/> of XEP-0385, or nil where what that demands is unknown
	if not metadata.type or not metadata.bytes then
		return nil;
	end
	local tag = st.stanza("reference", { xmlns = xmlns_reference, type = "data" })
		:tag("media-sharing", { xmlns = xmlns_sims })
			:tag("file", { xmlns = xmlns_jingle_file });
	add_file_words(tag, metadata);
	add_text(tag, "width", metadata.width, { xmlns = xmlns_schema_org });
	add_text(tag, "height", metadata.height, { xmlns = xmlns_schema_org });
	if metadata.duration then
		tag:text_tag("duration", ("PT%.3fS"):format(metadata.duration / 1000), { xmlns = xmlns_schema_org }); -- ISO 8601
	end
	add_hash(tag, metadata);
	-- In this order: one client reads only the first, and knows only ThumbHash.
	if metadata.thumbhash then
		add_thumbnail(tag, metadata, "image/thumbhash", ";base64,"..metadata.thumbhash);
	end
	if metadata.blurhash then
		add_thumbnail(tag, metadata, "image/blurhash", ","..percent_encoded(metadata.blurhash));
	end
	return tag:up()
		:tag("sources")
			:tag("reference", { xmlns = xmlns_reference, type = "data", uri = url })
		:reset();
end

local function sfs_tag(metadata, url, id) -- > <file-sharing/> of XEP-0447
	local kind = (metadata.type or ""):match("^[^/]*");
	local is_shown = kind == "image" or kind == "video" or kind == "audio";
	local tag = st.stanza("file-sharing", { xmlns = xmlns_sfs, id = id, disposition = is_shown and "inline" or nil });
	tag:add_child(file_metadata_tag(metadata));
	return tag:tag("sources"):tag("url-data", { xmlns = xmlns_url_data, target = url }):reset();
end

local function fallback_tag() -- > <fallback/> of XEP-0428: the body is for those who do not read XEP-0447
	return st.stanza("fallback", { xmlns = xmlns_fallback, ["for"] = xmlns_sfs }):tag("body"):reset();
end

-- The stanza.

local function is_metadata(child)
	return type(child) == "table" and child.name == "metadata" and child.attr.xmlns == xmlns_metadata;
end

local function without_metadata(list) -- > list, changed in place
	local kept = 0;
	for i = 1, #list do
		local child = list[i];
		list[i] = nil;
		if not is_metadata(child) then
			kept = kept + 1;
			list[kept] = child;
		end
	end
	return list;
end

-- Without recursion and linear in the size of the stanza: it runs on everything that anybody says.
local function each_element(stanza, visit)
	local elements, n = { stanza }, 1;
	while n > 0 do
		local element = elements[n];
		elements[n], n = nil, n - 1;
		visit(element);
		for _, child in ipairs(element.tags) do
			n = n + 1;
			elements[n] = child;
		end
	end
end

local function strip_metadata(stanza) -- > stanza, changed in place, no metadata of ours at any depth
	each_element(stanza, function (element)
		if element:get_child("metadata", xmlns_metadata) then
			without_metadata(element);
			without_metadata(element.tags);
		end
	end);
	return stanza;
end

local function host_of(url) -- > lower-case host, and host:port where there is a port; nil for what is no http(s) URL
	local authority = url:match("^[Hh][Tt][Tt][Pp][Ss]?://([^/?#\\]+)");
	if not authority then
		return nil;
	end
	-- "^.*@" is linear; "[^@]*$" is quadratic, and a stanza of such URLs would block the server for seconds.
	local host_and_port = authority:gsub("^.*@", ""):lower();
	return (host_and_port:gsub(":%d*$", "")), host_and_port;
end

local function is_wanted(url, wanted_hosts) -- > boolean; the oracle judges URLs, here is only what need not be asked
	if #url > max_url_bytes then
		return false;
	end
	-- aesgcm: never: it is end-to-end encrypted media, nobody but its readers is to touch that host.
	local host, host_and_port = host_of(url);
	if not host then
		return false;
	end
	return wanted_hosts == nil or wanted_hosts:contains(host) or wanted_hosts:contains(host_and_port) or false;
end

local function oob_url(x) -- > URL, or nil
	return (x:get_child_text("url", xmlns_oob) or ""):match("^%s*(%S+)%s*$");
end

-- wanted_hosts: a set, or nil for all
local function find_media(stanza, wanted_hosts) -- > array of { x = <x/>, url = }, array of distinct URLs
	local media, urls, seen = {}, {}, {};
	if stanza:child_with_name("encrypted") or stanza:child_with_ns(xmlns_eme) then
		return media, urls;
	end
	for x in stanza:childtags("x", xmlns_oob) do
		local url = oob_url(x);
		if url and is_wanted(url, wanted_hosts) then
			media[#media + 1] = { x = x; url = url };
			if not seen[url] then
				seen[url] = true;
				urls[#urls + 1] = url;
			end
		end
	end
	return media, urls;
end

local function count_urls(stanza) -- > number of out-of-band URLs of any kind, number of distinct ones
	local all, distinct, seen = 0, 0, {};
	for x in stanza:childtags("x", xmlns_oob) do
		local url = x:get_child_text("url", xmlns_oob);
		all = all + 1;
		if url and not seen[url] then
			seen[url] = true;
			distinct = distinct + 1;
		end
	end
	return all, distinct;
end

-- > predicate of URLs: whether the sender describes that one in an element that we could add. Theirs is the better word: they have
--   the file. An element that names no URL (XEP-0446 never does) stands for all.
local function described_by_sender(stanza)
	local named, is_unnamed = {}, stanza:get_child("file", xmlns_file_metadata) ~= nil;
	for _, child in ipairs(stanza.tags) do
		local is_sims = child.name == "reference" and child.attr.xmlns == xmlns_reference and child:child_with_name("media-sharing");
		if is_sims or child.name == "file-sharing" and child.attr.xmlns == xmlns_sfs then
			local has_name = false;
			each_element(child, function (element)
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

-- XEP-0447 wants a body that says nothing but what is shared, and its readers hide the body: text beside the URL would be lost.
local function says_only(stanza, urls) -- > boolean
	for body in stanza:childtags("body") do
		for word in (body:get_text() or "?"):gmatch("%S+") do
			if not urls[word] then
				return false;
			end
		end
	end
	return true;
end

local function add_shares(stanza, shares, distinct) -- > boolean; all or none: readers of XEP-0447 look at nothing else
	local urls = {};
	for _, share in ipairs(shares) do
		urls[share.url] = true;
	end
	if #shares == 0 or #shares < distinct or not says_only(stanza, urls) then
		return false;
	end
	for _, share in ipairs(shares) do
		stanza:add_direct_child(share.tag);
	end
	if stanza:get_child("body") then
		stanza:add_direct_child(fallback_tag());
	end
	return true;
end

local function new_budget() -- > function (tag, another) > tag, or nil where that (and another beside it) would make the stanza too long
	local left = max_growth;
	return function (tag, another)
		local size = tag and #tostring(tag) + #tostring(another or "") or math.huge;
		if size <= left then
			left = left - size;
			return tag;
		end
	end;
end

-- What is known of the media of a stanza, as the elements of these names: "legacy", "file-metadata", "sims", "sfs". In this order,
-- as far as they fit.
--
-- described: URL > metadata, or nil
local function add_elements(stanza, media, described, outputs) -- > boolean: whether anything was added
	local is_by_sender = described_by_sender(stanza);
	local all, distinct = count_urls(stanza);
	local shares, seen, added = {}, {}, false;
	local function add(parent, tag)
		if tag then
			parent:add_direct_child(tag);
			added = true;
		end
	end

	for _, medium in ipairs(media) do
		local url = medium.url;
		local metadata = described[url];
		if metadata and is_worth_telling(metadata) then
			local affordable = new_budget();
			if outputs:contains("legacy") then
				add(medium.x, affordable(legacy_tag(metadata)));
			end
			if not seen[url] and not is_by_sender(url) then
				seen[url] = true;
				if outputs:contains("file-metadata") and all == 1 then
					add(stanza, affordable(file_metadata_tag(metadata)));
				end
				if outputs:contains("sims") then
					add(stanza, affordable(sims_tag(metadata, url)));
				end
				local id = distinct > 1 and "media-"..(#shares + 1) or nil; -- readers tell several apart by it
				local share = outputs:contains("sfs") and metadata.sha256 and affordable(sfs_tag(metadata, url, id), fallback_tag());
				if share then
					table.insert(shares, { url = url; tag = share });
				end
			end
		end
	end
	return add_shares(stanza, shares, distinct) or added;
end

return {
	xmlns_metadata = xmlns_metadata;
	is_blurhash = is_blurhash;
	metadata_of = metadata_of;
	read_reply = read_reply;
	strip_metadata = strip_metadata;
	is_wanted = is_wanted;
	find_media = find_media;
	add_elements = add_elements;
};
