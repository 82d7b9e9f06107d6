-- Prints the metadata of a URL as an XML element for a stanza: lua gateway.lua URL
local http = require "socket.http";
local ltn12 = require "ltn12";

local oracle = os.getenv("ORACLE") or "http://127.0.0.1:8080";
local token = os.getenv("TOKEN");

local function percent_encode(text) -- > string
	return (text:gsub("[^%w%-._~]", function(character)
		return ("%%%02X"):format(character:byte());
	end));
end

local chunks = {};
local _, status = http.request {
	url = oracle .. "/metadata?deadlineMs=5000&url=" .. percent_encode(arg[1]);
	headers = {
		Accept = "application/xml";
		Authorization = token and ("Bearer " .. token);
	};
	sink = ltn12.sink.table(chunks);
};

if status ~= 200 then
	io.stderr:write(table.concat(chunks), "\n");
	os.exit(1);
end
print(table.concat(chunks));
