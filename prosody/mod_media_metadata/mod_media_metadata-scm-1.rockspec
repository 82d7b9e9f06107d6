rockspec_format = "3.0"
package = "mod_media_metadata"
version = "scm-1"
source = { url = "git+https://github.invalid/OWNER/media-oracle.git" } -- made from a checkout: luarocks make
description = {
	summary = "Size, type and preview of pictures sent one to one, without requests from the readers' clients";
	license = "MIT";
	labels = { "prosody", "stage-beta" };
}
dependencies = { "lua >= 5.2, < 5.5", "mod_muc_media_metadata" }
build = {
	type = "none"; -- nothing is compiled, so Lua's headers are not needed
	install = {
		lua = {
			["mod_media_metadata.mod_media_metadata"] = "mod_media_metadata.lua";
		};
	};
}
