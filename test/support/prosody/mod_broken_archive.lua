-- Fails where an archive would store a message, if its id says so.

module:hook("muc-broadcast-message", function (event)
	if event.stanza.attr.id == "broken" then
		error("the disk is full");
	end
end, 10);
