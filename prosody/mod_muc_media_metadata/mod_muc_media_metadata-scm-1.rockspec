rockspec_format = "3.0"
package = "mod_muc_media_metadata"
version = "scm-1"
source = { url = "git+https://github.invalid/OWNER/media-oracle.git" } -- made from a checkout: luarocks make
description = {
	summary = "Size, type and preview of posted pictures in the message, for clients that read them";
	license = "MIT";
	labels = { "prosody", "stage-beta" };
}
dependencies = { "lua >= 5.2, < 5.5" }
build = {
	type = "none"; -- nothing is compiled, so Lua's headers are not needed
	install = {
		lua = {
			["mod_muc_media_metadata.mod_muc_media_metadata"] = "mod_muc_media_metadata.lua";
			["mod_muc_media_metadata.lookups"] = "lookups.lib.lua";
			["mod_muc_media_metadata.requests"] = "requests.lib.lua";
			["mod_muc_media_metadata.config"] = "config.lib.lua";
			["mod_muc_media_metadata.guard"] = "guard.lib.lua";
			["mod_muc_media_metadata.late"] = "late.lib.lua";
			["mod_muc_media_metadata.copies"] = "copies.lib.lua";
			["mod_muc_media_metadata.scope"] = "scope.lib.lua";
			["mod_muc_media_metadata.oracle"] = "oracle.lib.lua";
			["mod_muc_media_metadata.urls"] = "urls.lib.lua";
			["mod_muc_media_metadata.media"] = "media.lib.lua";
			["mod_muc_media_metadata.elements"] = "elements.lib.lua";
			["mod_muc_media_metadata.files"] = "files.lib.lua";
			["mod_muc_media_metadata.sims"] = "sims.lib.lua";
			["mod_muc_media_metadata.sfs"] = "sfs.lib.lua";
			["mod_muc_media_metadata.reply"] = "reply.lib.lua";
			["mod_muc_media_metadata.breaker"] = "breaker.lib.lua";
		};
	};
}
