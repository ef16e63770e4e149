"""What HTTP, Socket.IO and the workers share: uploads, maintenance, presence, backends."""
