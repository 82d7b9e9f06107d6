-- Finds the URLs of a stanza that are looked up, and removes metadata that its sender put into it.
--
-- Pure: it knows neither the module, nor its options, nor the clock.

local load_library = ...;

local urls = load_library("urls");

local xmlns_oob = "jabber:x:oob"; -- XEP-0066
local xmlns_metadata = "xmpp:prosody.im/protocol/media-metadata#0";

local max_url_bytes = 8192; -- the oracle's limit

-- Without recursion and linear in the size of the stanza: it runs on every message of every sender.
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

-- Metadata of the sender's own.

local names_of_server = { ["metadata"] = true, ["by-server"] = true }; -- which only servers add

local function is_metadata(child)
	return type(child) == "table" and child.attr.xmlns == xmlns_metadata and names_of_server[child.name] == true;
end

local function remove_metadata(list) -- list: changed in place
	local kept = 0;
	for i = 1, #list do
		local child = list[i];
		list[i] = nil;
		if not is_metadata(child) then
			kept = kept + 1;
			list[kept] = child;
		end
	end
end

local function strip_metadata(stanza) -- > stanza, changed in place, without <metadata/> and <by-server/> at any depth
	each_element(stanza, function (element)
		if element:get_child(nil, xmlns_metadata) then
			remove_metadata(element);
			remove_metadata(element.tags);
		end
	end);
	return stanza;
end

-- Encrypted messages: never looked up, because their URLs are a part of what the sender hides from the server.

local encrypted_names = {
	["encrypted"] = true; -- OMEMO in all its versions (XEP-0384), an encrypted file at any depth (XEP-0448)
};
local encrypted_namespaces = {
	["urn:xmpp:eme:0"] = true; -- XEP-0380, for any kind of encryption
	["urn:xmpp:esfs:0"] = true; -- XEP-0448
	["urn:xmpp:openpgp:0"] = true; -- XEP-0373
	["jabber:x:encrypted"] = true; -- XEP-0027
	["urn:ietf:params:xml:ns:xmpp-e2e"] = true; -- RFC 3923
};
local encrypted_body = "^%s*%?OTR"; -- XEP-0364, which has no element

local function is_encrypted(stanza) -- > boolean
	local found = false;
	each_element(stanza, function (element)
		found = found or encrypted_names[element.name] or encrypted_namespaces[element.attr.xmlns] or false;
	end);
	for body in stanza:childtags("body") do
		found = found or (body:get_text() or ""):find(encrypted_body) ~= nil;
	end
	return found;
end

-- The URLs.

local function is_wanted(url, wanted_hosts) -- > boolean; the oracle decides which URLs are allowed, this only saves requests
	-- Never aesgcm: it is end-to-end encrypted media, which only its readers may fetch.
	return #url <= max_url_bytes and urls.host_of(url) ~= nil and (wanted_hosts == nil or urls.is_on_host(url, wanted_hosts));
end

local function oob_url(x) -- > URL, or nil
	return (x:get_child_text("url", xmlns_oob) or ""):match("^%s*(%S+)%s*$");
end

-- wanted_hosts: a set, or nil for all
local function find_media(stanza, wanted_hosts) -- > array of { x = <x/>, url = }, array of distinct URLs
	local media, distinct_urls, seen = {}, {}, {};
	for x in stanza:childtags("x", xmlns_oob) do
		local url = oob_url(x);
		if url and is_wanted(url, wanted_hosts) then
			media[#media + 1] = { x = x; url = url };
			if not seen[url] then
				seen[url] = true;
				table.insert(distinct_urls, url);
			end
		end
	end
	if media[1] and is_encrypted(stanza) then
		return {}, {};
	end
	return media, distinct_urls;
end

local function count_urls(stanza) -- > number of distinct out-of-band URLs of any kind; an element without a URL counts as one
	local count, seen = 0, {};
	for x in stanza:childtags("x", xmlns_oob) do
		local url = oob_url(x) or x;
		if not seen[url] then
			seen[url] = true;
			count = count + 1;
		end
	end
	return count;
end

return {
	xmlns_metadata = xmlns_metadata;
	xmlns_oob = xmlns_oob;
	each_element = each_element;
	strip_metadata = strip_metadata;
	is_wanted = is_wanted;
	find_media = find_media;
	count_urls = count_urls;
};
