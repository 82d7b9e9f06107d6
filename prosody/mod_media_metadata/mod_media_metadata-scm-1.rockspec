rockspec_format = "3.0"
package = "mod_media_metadata"
version = "scm-1"
source = { url = "git+https://media-oracle.invalid/media-oracle.git" } -- made from a checkout: luarocks make
description = {
	summary = "Size, type and preview of pictures sent one to one, without a request from anybody's client";
	license = "MIT";
	labels = { "prosody", "stage-beta" };
}
dependencies = { "lua >= 5.2, < 5.5", "mod_muc_media_metadata" }
build = {
	type = "none"; -- nothing is compiled, so nobody needs Lua's headers
	install = {
		lua = {
			["mod_media_metadata.mod_media_metadata"] = "mod_media_metadata.lua";
		};
	};
}
