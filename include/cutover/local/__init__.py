"""What runs on the operator's own machine: private servers, sample data, demo and benchmark."""
